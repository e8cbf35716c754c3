// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdio>
#include <iterator>

#include "fs/edit_journal.h"
#include "fs/overlay/journaled_store.h"
#include "fs/overlay/staging.h"
#include "fs/vm_work.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/crash_io.h"

// Two disks, two runs, each with an edit. The power is cut, or the process dies, before, in the
// middle of and after every step; afterwards both disks are as before a run or as after it, and the
// edits that wait are those that are not in them.

namespace v2vfs::fs {
namespace {

constexpr const char* kState = "/state";
constexpr std::uint64_t kBlock = 1024;
constexpr std::uint64_t kDiskBytes = 16 * kBlock + 300;
constexpr std::uint64_t kColdEnd = 2 * kBlock, kTailBegin = 14 * kBlock;

StoreGeometry geometry() {
  StoreGeometry small;
  small.block_bytes = kBlock;
  small.journal_bytes = 8 * 1024;
  small.max_bytes = 64 * kBlock;
  return small;
}

using Bytes = std::vector<std::byte>;

/// A disk of the mount: an overlay over bytes that never change, made when it is needed.
class TestDisk : public PromotableDisk {
 public:
  TestDisk(CrashIo& io, std::string folder) : io_(io), folder_(std::move(folder)) {
    store_ = JournaledStore::open(io_, folder_, base_, {});
  }
  std::uint64_t bytes() const override { return store_ ? store_->bytes() : base_->bytes(); }
  void read(std::uint64_t offset, std::span<std::byte> out) override {
    store_ ? static_cast<void>(store_->read(offset, out)) : base_->read(offset, out);
  }
  Stretch stretch_at(std::uint64_t offset) override { return base_->stretch_at(offset); }
  std::uint64_t cold_end() const override { return kColdEnd; }
  std::uint64_t tail_begin() const override { return kTailBegin; }
  bool may_grow() const override { return false; }
  void prepare() override {
    if (store_) return;
    io_.make_folder(folder_);
    store_ = JournaledStore::create(io_, folder_, base_, {"s", "l", "t"}, geometry(), {});
  }
  void write(std::uint64_t offset, std::span<const std::byte> in) override {
    store_->write(offset, in);
  }
  void punch(std::uint64_t offset, std::uint64_t length) override { store_->punch(offset, length); }
  void barrier() override { store_->barrier(); }
  Bytes content() {
    Bytes all(bytes());
    read(0, all);
    return all;
  }

 private:
  CrashIo& io_;
  const std::string folder_;
  const std::shared_ptr<ByteBase> base_ = std::make_shared<ByteBase>(kDiskBytes);
  std::unique_ptr<OverlayStore> store_;
};

/// What both disks hold, which edits wait, and which run the state knows.
struct Seen {
  Bytes disks[2];
  std::vector<std::string> pending;
  std::uint64_t run = 0;
  bool operator==(const Seen&) const = default;
};

/// One life of the daemon.
class Daemon {
 public:
  Daemon(CrashIo& io, const StagingRules& rules)
      : disks_{std::make_shared<TestDisk>(io, "/state/disk-1"),
               std::make_shared<TestDisk>(io, "/state/disk-2")},
        journal_("/state/edits", io),
        staging_(io, kState, {disks_[0], disks_[1]}, geometry(), rules) {}

  void settle() {
    fs::settle(staging_, journal_, [] { return std::uint64_t{1}; });
  }
  void save(const std::string& path) {
    EditJournal::Change change;
    change.entry.path = path;
    change.entry.wanted.kind = convert::EditKind::file;
    change.entry.wanted.has_content = true;
    change.content = "content of " + path;
    journal_.save({change});
  }
  /// The first disk has been written to before; the other one never.
  void set_up() {
    disks_[0]->prepare();
    write(*disks_[0], 5 * kBlock + 100, 3 * kBlock, 'v');
    disks_[0]->barrier();
    save("/etc/first");
  }
  void run(std::uint64_t number) {
    journal_.take(number);
    const auto& staged = staging_.begin();
    const char mark = static_cast<char>('0' + number);
    for (const auto& disk : staged) {
      write(*disk, 4 * kBlock - 10, 2 * kBlock, mark);  // three blocks, two of them in part
      write(*disk, number * kBlock + 7 * kBlock, 200, mark);
      disk->punch(11 * kBlock, kBlock);
      write(*disk, kTailBegin - 5, 5, mark);
    }
    staging_.commit({number, "", "capabilities", {}, 0});
    settle();
  }
  Seen seen() {
    Seen now{{disks_[0]->content(), disks_[1]->content()}, {}, 0};
    for (const JournalEntry& entry : journal_.all()) now.pending.push_back(entry.path);
    if (const auto record = staging_.promoted()) now.run = record->run;
    return now;
  }

 private:
  template <typename AnyDisk>
  static void write(AnyDisk& disk, std::uint64_t offset, std::uint64_t length, char fill) {
    disk.write(offset, Bytes(length, static_cast<std::byte>(fill)));
  }

  std::shared_ptr<TestDisk> disks_[2];
  EditJournal journal_;
  Staging staging_;
};

using Step = void (*)(Daemon&);
const Step kSteps[] = {
    [](Daemon& daemon) { daemon.run(1); },
    [](Daemon& daemon) { daemon.save("/etc/second"); },
    [](Daemon& daemon) { daemon.run(2); },
};

struct Finding {
  std::string violation;
  std::uint64_t states = 0;
};

class Search {
 public:
  explicit Search(StagingRules rules) : rules_(rules) {
    CrashIo io(1);
    Daemon daemon(io, {});
    daemon.set_up();
    expected_.push_back(daemon.seen());
    for (const Step step : kSteps) {
      step(daemon);
      expected_.push_back(daemon.seen());
    }
  }

  Finding cuts(std::uint64_t seeds, bool recovery_too) {
    for (std::uint64_t seed = 0; seed < seeds && found_.violation.empty(); ++seed) {
      for (std::uint64_t step = 0; step < steps(seed) && found_.violation.empty(); ++step) {
        for (const CutPoint point : {CutPoint::before, CutPoint::torn, CutPoint::after}) {
          cut(seed, step, point, recovery_too);
        }
      }
    }
    return found_;
  }
  /// A call fails; the daemon goes on as far as it can, and tries to settle once more.
  Finding faults(int error_number) {
    for (std::uint64_t call = 0; call < calls() && found_.violation.empty(); ++call) {
      CrashIo io(call);
      std::size_t done = 0;
      {
        Daemon daemon(io, rules_);
        daemon.set_up();
        io.fail_at(io.calls() + call, error_number);
        done = run_all(daemon);
        io.no_faults();
        const bool settled = try_to([&] { daemon.settle(); });
        if (settled) check(daemon.seen(), done, "call " + std::to_string(call));
      }
      io.power_cut();
      recover(io, done, "after call " + std::to_string(call));
    }
    return found_;
  }

 private:
  static bool try_to(auto&& call) {
    try {
      call();
    } catch (const Error&) {
      return false;
    }
    return true;
  }
  /// How many steps were acknowledged.
  static std::size_t run_all(Daemon& daemon) {
    std::size_t done = 0;
    try {
      for (const Step step : kSteps) {
        step(daemon);
        ++done;
      }
    } catch (const Crash&) {
    } catch (const Error&) {
    }
    return done;
  }
  std::uint64_t steps(std::uint64_t seed) {
    CrashIo io(seed);
    Daemon daemon(io, rules_);
    daemon.set_up();
    const std::uint64_t before = io.steps();
    run_all(daemon);
    return io.steps() - before;
  }
  std::uint64_t calls() {
    CrashIo io(1);
    Daemon daemon(io, rules_);
    daemon.set_up();
    const std::uint64_t before = io.calls();
    run_all(daemon);
    return io.calls() - before;
  }
  void cut(std::uint64_t seed, std::uint64_t step, CutPoint point, bool recovery_too) {
    CrashIo io(seed);
    std::size_t done = 0;
    {
      Daemon daemon(io, rules_);
      daemon.set_up();
      io.crash_at(io.steps() + step, point);
      done = run_all(daemon);
    }
    end_of_life(io, seed);
    const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(step);
    for (std::uint64_t again = 0; recovery_too && again < 12; again += 3) {
      io.crash_at(io.steps() + again, CutPoint::torn);
      try {
        Daemon(io, rules_).settle();
      } catch (const Crash&) {
      } catch (const Error& error) {
        return violate(where + ": recovery: " + error.sentence());
      }
      end_of_life(io, seed + again);
    }
    recover(io, done, where);
  }
  static void end_of_life(CrashIo& io, std::uint64_t seed) {
    io.no_faults();
    seed % 3 == 0 ? io.process_death() : io.power_cut();
  }
  void recover(CrashIo& io, std::size_t done, const std::string& where) {
    try {
      Daemon daemon(io, rules_);
      daemon.settle();
      check(daemon.seen(), done, where);
    } catch (const Error& error) {
      violate(where + ": " + error.sentence());
    }
  }
  void check(const Seen& seen, std::size_t done, const std::string& where) {
    ++found_.states;
    const bool old_one = seen == expected_[done];
    const bool new_one = done + 1 < expected_.size() && seen == expected_[done + 1];
    if (!old_one && !new_one) violate(where + ": neither before nor after");
  }
  void violate(const std::string& what) {
    if (found_.violation.empty()) found_.violation = what;
  }

  const StagingRules rules_;
  std::vector<Seen> expected_;
  Finding found_;
};

void expect_nothing_found(const Finding& found, std::uint64_t least) {
  std::printf("[  STATES  ] %llu\n", static_cast<unsigned long long>(found.states));
  EXPECT_EQ(found.violation, "");
  EXPECT_GE(found.states, least);
}

// SEMANTICS: "or none does, also if the daemon dies or the power is cut meanwhile"
TEST(StagingCrash, power_cut_and_process_death_at_every_step) {
  expect_nothing_found(Search({}).cuts(6, false), 5000);
}
TEST(StagingCrash, recovery_dies_too) { expect_nothing_found(Search({}).cuts(2, true), 1000); }
TEST(StagingCrash, every_call_fails_once) {
  expect_nothing_found(Search({}).faults(EIO), 200);
  expect_nothing_found(Search({}).faults(ENOSPC), 200);
}

// The alarm works: each rule is taken out by name, and the search must notice.

struct Rule {
  const char* name;
  bool StagingRules::*on;
};
const Rule kRules[] = {
    {"barrier_before_manifest", &StagingRules::barrier_before_manifest},
    {"sync_record", &StagingRules::sync_record},
    {"sync_name", &StagingRules::sync_name},
    {"barrier_before_end", &StagingRules::barrier_before_end},
    {"skip_promoted", &StagingRules::skip_promoted},
};
static_assert(std::size(kRules) + 1 == sizeof(StagingRules), "check_cold has a test of its own");

TEST(StagingCrash, each_rule_is_missed) {
  for (const Rule& rule : kRules) {
    StagingRules rules;
    rules.*rule.on = false;
    const Finding found = Search(rules).cuts(24, false);
    EXPECT_NE(found.violation, "") << rule.name << " can be taken out and nobody notices";
    std::printf("[  TEETH   ] %-24s -> caught after %5llu states (%s)\n", rule.name,
                static_cast<unsigned long long>(found.states), found.violation.c_str());
  }
}

// What is not promoted.

std::string why_not(const std::function<void(StagedDisk&)>& change, StagingRules rules = {}) {
  CrashIo io(1);
  auto disk = std::make_shared<TestDisk>(io, "/state/disk-1");
  Staging staging(io, kState, {disk}, geometry(), rules);
  const Bytes before = disk->content();
  try {
    change(*staging.begin()[0]);
  } catch (const Error&) {
  }
  try {
    staging.commit({1, "", "", {}, 0});
  } catch (const Error& error) {
    EXPECT_FALSE(staging.committed());
    EXPECT_EQ(disk->content(), before);
    return error.sentence();
  }
  return "";
}

TEST(Staging, a_changed_cold_zone_or_tail_is_refused_and_a_rewritten_one_is_not) {
  const Bytes byte(1, std::byte{'x'});
  const auto cold = [&](StagedDisk& disk) { disk.write(kColdEnd - 1, byte); };
  EXPECT_NE(why_not(cold), "");
  EXPECT_EQ(why_not(cold, {.check_cold = false}), "");
  EXPECT_NE(why_not([&](StagedDisk& disk) { disk.write(kTailBegin, byte); }), "");
  EXPECT_NE(why_not([&](StagedDisk& disk) { disk.punch(0, kBlock); }), "");
  EXPECT_EQ(why_not([](StagedDisk& disk) {
              Bytes same(kBlock);
              disk.read(0, same);
              disk.write(0, same);
            }),
            "");
}

// SEMANTICS: "its size never changes by one otherwise"
TEST(Staging, a_write_that_failed_is_never_promoted) {
  const Bytes byte(1, std::byte{'x'});
  EXPECT_NE(why_not([&](StagedDisk& disk) { disk.write(kDiskBytes, byte); }), "") << "past the end";
  EXPECT_NE(why_not([](StagedDisk& disk) { disk.resize(kDiskBytes + 1); }), "");
  EXPECT_NE(why_not([](StagedDisk& disk) { disk.resize(kDiskBytes - 1); }), "");
}

TEST(Staging, a_full_disk_is_an_error_that_stops_no_appliance) {
  CrashIo io(1);
  auto disk = std::make_shared<TestDisk>(io, "/state/disk-1");
  Staging staging(io, kState, {disk}, geometry());
  StagedDisk& staged = *staging.begin()[0];
  io.fill_disk(true);
  try {
    staged.write(8 * kBlock, Bytes(kBlock, std::byte{'x'}));
    FAIL() << "there was no room";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EIO);  // at ENOSPC qemu would wait for somebody to make room
  }
  io.fill_disk(false);
  EXPECT_THROW(staging.commit({1, "", "", {}, 0}), Error);
}

TEST(Staging, a_record_with_a_flipped_bit_is_none) {
  const RunRecord record{7, "converted", "{\"block_bus\": \"virtio\"}", {{10, 10}, {20, 30}}, 5};
  const std::string text = run_record_to_text(record);
  EXPECT_EQ(run_record_from_text(text, "manifest"), record);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string bad = text;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(run_record_from_text(bad, "manifest"), Error) << bit;
  }
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(run_record_from_text(text.substr(0, length), "manifest"), Error);
  }
}

}  // namespace
}  // namespace v2vfs::fs
