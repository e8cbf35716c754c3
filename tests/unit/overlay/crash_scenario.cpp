// SPDX-License-Identifier: MIT
#include "tests/unit/overlay/crash_scenario.h"

#include <fmt/core.h>

#include <cerrno>
#include <utility>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/error.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/disk_model.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kFirstLife = 24;  // operations
constexpr std::uint64_t kSecondLife = 16;
constexpr std::uint64_t kMaxBytes = 128 * 1024;
constexpr std::uint64_t kTop = 96 * 1024;  // operations stay below
const std::string kFolder = "/store";

struct Violation {
  std::string what;
};

class Run {
 public:
  explicit Run(const Scenario& scenario, std::uint64_t base_bytes = 0)
      : s_(scenario),
        dice_(scenario.seed),
        io_(scenario.seed * 1000003 + (scenario.cut ? scenario.cut->step * 7 + 1 : 0) +
            (scenario.fault ? scenario.fault->call * 13 + 5 : 0)),
        base_(std::make_shared<ByteBase>(base_bytes ? base_bytes
                                                    : 12 * 1024 + dice_.below(24 * 1024))),
        model_(base_->content()) {
    geometry_.block_bytes = 1024;
    geometry_.journal_bytes = 1024u << dice_.below(4);  // 8 to 64 records
    geometry_.max_bytes = kMaxBytes;
    io_.set_can_punch(!dice_.one_in(4));
    barrier_share_ = s_.seed % 3 == 2 ? 3 : 16;  // every third seed has long batches of records
    io_.during_sync = [this] { write_during_sync(); };
  }

  Outcome all() {
    Outcome out;
    return check(
        [&] {
          const bool died = first_life(out);
          io_.no_faults();
          io_.fill_disk(false);
          if (died) recover(s_.cut->is_power_cut);
          second_life();
        },
        out);
  }

  Outcome torn_batch() {
    Outcome out;
    return check(
        [&] {
          io_.during_sync = nullptr;
          geometry_.journal_bytes = 8192;
          make();
          for (std::uint64_t i = 0; i < s_.seed % 8; ++i) barrier_of(1);
          try {
            barrier_of(9 + dice_.below(8), 3);  // data, both copies, and the fdatasync is missing
          } catch (const Crash&) {
            io_.no_faults();
            recover(true);
          }
          for (std::uint64_t i = 0; i < s_.seed / 8 % 8; ++i) barrier_of(1);
          recover(true);
        },
        out);
  }

 private:
  template <typename Lives>
  Outcome check(Lives&& lives, Outcome& out) {
    try {
      lives();
    } catch (const Violation& v) {
      out.violation = v.what;
    } catch (const Error& error) {
      out.violation = "an unexpected error: " + error.sentence();
    }
    out.states = states_;
    out.recovery_steps = recovery_steps_;
    return out;
  }

  // A barrier with a record for each of `blocks` blocks that lie apart; it may die at a step.
  void barrier_of(std::uint64_t blocks, std::optional<std::uint64_t> dies_at = {}) {
    for (; blocks > 0; --blocks, next_block_ += 2) {
      const std::vector<std::byte> bytes(1024, static_cast<std::byte>(1 + dice_.below(255)));
      model_.write(next_block_ * 1024, bytes);
      attempt([&] { store_->write(next_block_ * 1024, bytes); });
    }
    if (dies_at) io_.crash_at(io_.steps() + *dies_at, CutPoint::before);
    barrier();
  }

  bool first_life(Outcome& out) {
    if (s_.cut) io_.crash_at(s_.cut->step, s_.cut->point);
    if (s_.fault) io_.fail_at(s_.fault->call, s_.fault->error_number);
    bool died = false;
    try {
      make();
      for (std::uint64_t i = 0; i < kFirstLife; ++i) {
        if (s_.full_from == i) io_.fill_disk(true);
        operate();
      }
    } catch (const Crash&) {
      died = true;
    }
    out.steps = io_.steps();
    out.calls = io_.calls();
    return died;
  }

  void second_life() {
    barrier_share_ = s_.seed % 3 == 2 ? 50 : 16;
    if (dice_.one_in(2)) {
      grow(model_.bytes() + dice_.below(5000));  // nothing comes up from below the old size
      expect(model_.check_exact(*store_), "after growing");
    }
    for (std::uint64_t i = 0; i < kSecondLife; ++i) operate();
    if (dice_.one_in(2)) barrier();
    const bool power = !dice_.one_in(4);
    leave(power);
    recover(power);
  }

  // --- opening

  void make() {
    try {
      store_ = JournaledStore::create(io_, kFolder, base_, {"s", "l", "t"}, geometry_, s_.rules);
    } catch (const Error&) {
      if (!s_.fault) throw;
      store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);  // one call fails, not two
      if (!store_)
        store_ = JournaledStore::create(io_, kFolder, base_, {"s", "l", "t"}, geometry_, s_.rules);
    }
    is_made_ = true;
    check_poison();
  }

  void leave(bool power) {
    store_.reset();
    if (power)
      io_.power_cut();
    else
      io_.process_death();
  }

  void recover(bool power_was_cut) {
    leave(power_was_cut);
    for (std::size_t deaths = 0;; ++deaths) {
      const std::uint64_t begun = io_.steps();
      const std::optional<Scenario::Cut> cut = recovery_cut(deaths);
      if (cut) io_.crash_at(begun + cut->step, cut->point);
      try {
        open_or_make();
        recovery_steps_ = io_.steps() - begun;
        break;
      } catch (const Crash&) {
        const bool power = cut->is_power_cut;
        power_was_cut |= power;
        leave(power);
      } catch (const Error& error) {
        throw Violation{"it does not open: " + error.sentence()};
      }
    }
    io_.no_faults();
    is_recovered_ = true;
    expect(power_was_cut ? model_.check_power_cut(*store_) : model_.check_process_death(*store_),
           power_was_cut ? "after a power cut" : "after process death");
    expect(store_->poison(), "poisoned after recovery");
    if (dice_.one_in(2)) recover_again(power_was_cut && dice_.one_in(2));
    model_.adopt(*store_, power_was_cut);
  }

  void recover_again(bool power) {
    const auto first = contents_of(*store_);
    leave(power);
    store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);
    if (!store_ || contents_of(*store_) != first) throw Violation{"the second recovery differs"};
    ++states_;
  }

  std::optional<Scenario::Cut> recovery_cut(std::size_t deaths) {
    if (!s_.recovery_cuts.empty() && !is_recovered_)
      return deaths < s_.recovery_cuts.size() ? std::optional(s_.recovery_cuts[deaths])
                                              : std::nullopt;
    if (deaths >= 3 || dice_.one_in(2)) return {};
    return Scenario::Cut{dice_.below(14), static_cast<CutPoint>(dice_.below(3)), dice_.one_in(2)};
  }

  void open_or_make() {
    store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);
    if (store_) return;
    if (is_made_) throw Violation{"the store is gone"};
    store_ = JournaledStore::create(io_, kFolder, base_, {"s", "l", "t"}, geometry_, s_.rules);
    is_made_ = true;
  }

  void reopen() {
    leave(false);
    try {
      store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);
    } catch (const Error&) {
      if (!s_.fault) throw;
      leave(false);
      store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);
    }
    if (!store_) throw Violation{"the store is gone"};
    expect(model_.check_exact(*store_), "after reopening");
    check_poison();
  }

  // --- operations

  void operate() {
    const std::uint64_t kind = dice_.below(100);
    if (dice_.below(100) < barrier_share_)
      barrier();
    else if (kind < 64)
      write();
    else if (kind < 80)
      punch();
    else if (kind < 90)
      grow(dice_.below(std::min(kTop, model_.bytes() + 8192)));
    else if (kind < 96)
      expect(model_.check_exact(*store_), "reading");
    else
      reopen();
    if (io_.has_unbacked_mapping()) throw Violation{"the live map has no room on the disk"};
  }

  std::uint64_t some_length() {
    switch (dice_.below(3)) {
      case 0:
        return 1 + dice_.below(700);
      case 1:
        return 1024 * (1 + dice_.below(6));
      default:
        return 1 + dice_.below(6000);
    }
  }
  std::uint64_t some_offset() {
    const std::uint64_t offset = dice_.below(model_.bytes() + (dice_.one_in(8) ? 3000 : 1)) &
                                 (dice_.one_in(2) ? ~1023ULL : ~0ULL);
    return std::min(offset, kTop);
  }

  void write() {
    std::vector<std::byte> bytes(some_length());
    const std::uint64_t offset = some_offset();
    for (std::byte& b : bytes) b = static_cast<std::byte>(1 + dice_.below(255));
    model_.write(offset, bytes);
    attempt([&] { store_->write(offset, bytes); });
  }
  void punch() {
    const std::uint64_t offset = some_offset();
    const std::uint64_t length = some_length();
    model_.punch(offset, length);
    attempt([&] { store_->punch(offset, length); });
  }
  void grow(std::uint64_t bytes) {
    model_.resize(bytes);
    attempt([&] { store_->resize(bytes); });
  }

  template <typename Operation>
  void attempt(Operation&& operation) {
    try {
      operation();
      model_.done();
    } catch (const Error&) {
      if (!s_.fault && !s_.full_from) throw;
      if (in_sync_) {
        failed_in_sync_ = true;
        return;
      }
      settle_failure();
    }
  }

  // The operation failed: each sector is old or new, and what it is now, it stays.
  void settle_failure() {
    expect(model_.check_process_death(*store_), "after a failed call");
    model_.adopt(*store_, false);
    check_poison();
  }

  void barrier() {
    model_.barrier_begins();
    try {
      store_->barrier();
      model_.barrier_succeeded();
    } catch (const Error& error) {
      model_.barrier_failed();
      if (!s_.fault) throw Violation{"the barrier failed: " + error.sentence()};
      if (store_->poison().empty()) throw Violation{"the barrier failed and nothing is poisoned"};
    }
    if (std::exchange(failed_in_sync_, false)) return settle_failure();
    check_poison();
  }

  void write_during_sync() {
    if (!store_ || failed_in_sync_ || !dice_.one_in(3)) return;
    in_sync_ = true;
    try {
      if (dice_.one_in(4))
        punch();
      else
        write();
    } catch (...) {
      in_sync_ = false;
      throw;
    }
    in_sync_ = false;
  }

  // --- O6: a poisoned store is readable, says why, and stays so until the machine restarts.
  void check_poison() {
    if (store_->poison().empty()) return;
    expect_refusal([&] { store_->write(0, std::vector<std::byte>(10)); });
    expect_refusal([&] { store_->punch(0, 10); });
    expect_refusal([&] { store_->resize(0); });
    expect_refusal([&] { store_->barrier(); });
    expect(model_.check_exact(*store_), "reading what is poisoned");
    leave(false);
    store_ = JournaledStore::open(io_, kFolder, base_, s_.rules);
    if (store_->poison().empty()) throw Violation{"a restart of the process cures the poison"};
    expect(model_.check_exact(*store_), "reading what is poisoned, reopened");
    leave(true);
    recover(true);
  }

  template <typename Operation>
  void expect_refusal(Operation&& operation) {
    try {
      operation();
    } catch (const Error& error) {
      if (error.error_number() == EIO) return;
    }
    throw Violation{"a poisoned store takes writes"};
  }

  void expect(const std::string& complaint, const char* when) {
    ++states_;
    if (!complaint.empty()) throw Violation{fmt::format("{}: {}", when, complaint)};
  }

  const Scenario& s_;
  Dice dice_;
  CrashIo io_;
  std::shared_ptr<ByteBase> base_;
  StoreGeometry geometry_;
  DiskModel model_;
  std::unique_ptr<JournaledStore> store_;
  std::uint64_t barrier_share_ = 16;  // percent
  std::uint64_t recovery_steps_ = 0;
  std::uint64_t next_block_ = 0;
  bool is_recovered_ = false;
  bool is_made_ = false;
  bool in_sync_ = false;
  bool failed_in_sync_ = false;
  std::uint64_t states_ = 0;
};

}  // namespace

Outcome run(const Scenario& scenario) { return Run(scenario).all(); }

Outcome run_torn_batch(std::uint64_t seed, const StoreRules& rules) {
  Scenario s;
  s.seed = seed;
  s.rules = rules;
  return Run(s, kTop).torn_batch();
}

}  // namespace v2vfs::fs
