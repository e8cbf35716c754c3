// SPDX-License-Identifier: MIT
#include "tests/unit/overlay/crash_search.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/error.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/crash_scenario.h"
#include "tests/unit/overlay/disk_model.h"

namespace v2vfs::fs {
namespace {

// Runs one scenario; false ends the search.
bool add(Finding& finding, const Scenario& scenario, const std::string& what) {
  const Outcome outcome = run(scenario);
  finding.states += outcome.states;
  if (outcome.violation.empty()) return true;
  finding.violation = fmt::format("seed {}, {}: {}", scenario.seed, what, outcome.violation);
  return false;
}

const char* name_of(CutPoint point) {
  return point == CutPoint::before ? "before" : point == CutPoint::torn ? "in" : "after";
}

Outcome measure(std::uint64_t seed, const StoreRules& rules) {
  Scenario plain;
  plain.seed = seed;
  plain.rules = rules;
  return run(plain);
}

}  // namespace

Finding search_cuts(const StoreRules& rules, std::uint64_t seeds) {
  Finding finding;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Outcome plain = measure(seed, rules);
    finding.states += plain.states;
    if (!plain.violation.empty()) {
      finding.violation = fmt::format("seed {}, no cut: {}", seed, plain.violation);
      return finding;
    }
    for (std::uint64_t step = 0; step < plain.steps; ++step)
      for (const CutPoint point : {CutPoint::before, CutPoint::torn, CutPoint::after})
        for (const bool power : {true, false}) {
          Scenario s{seed, rules, {{step, point, power}}, {}, {}, {}};
          const auto what =
              fmt::format("{} {} step {}", power ? "power cut" : "death", name_of(point), step);
          if (!add(finding, s, what)) return finding;
        }
  }
  return finding;
}

namespace {

std::vector<Scenario::Cut> cuts_of(std::uint64_t steps) {
  std::vector<Scenario::Cut> cuts;
  for (std::uint64_t step = 0; step < steps; ++step)
    for (const CutPoint point : {CutPoint::before, CutPoint::after})
      for (const bool power : {false, true}) cuts.push_back({step, point, power});
  return cuts;
}

}  // namespace

Finding search_recovery(const StoreRules& rules, std::uint64_t seeds) {
  Finding finding;
  for (std::uint64_t seed = 1; seed <= (seeds + 3) / 4; ++seed) {
    const std::uint64_t last = measure(seed, rules).steps - 1;
    for (const bool power : {false, true}) {
      Scenario s;
      s.seed = seed;
      s.rules = rules;
      s.cut = {last, CutPoint::after, power};
      s.recovery_cuts = {{1000, CutPoint::after, false}};  // never: only to count the steps
      const auto cuts = cuts_of(run(s).recovery_steps);
      for (const auto& first : cuts)
        for (const auto& second : cuts) {
          s.recovery_cuts = {first, second};
          const auto what =
              fmt::format("recovery died at steps {} and {}", first.step, second.step);
          if (!add(finding, s, what)) return finding;
        }
    }
  }
  return finding;
}

Finding search_faults(const StoreRules& rules, std::uint64_t seeds) {
  Finding finding;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::uint64_t calls = measure(seed, rules).calls;
    for (std::uint64_t call = 0; call < calls; ++call)
      for (const int error : {EIO, ENOSPC}) {
        Scenario s{seed, rules, {}, {}, {{call, error}}, {}};
        if (!add(finding, s, fmt::format("errno {} at call {}", error, call))) return finding;
      }
  }
  return finding;
}

Finding search_full_disk(const StoreRules& rules, std::uint64_t seeds) {
  Finding finding;
  for (std::uint64_t seed = 1; seed <= seeds * 4; ++seed)
    for (std::uint64_t from = 0; from < 24; ++from) {
      Scenario s{seed, rules, {}, {}, {}, from};
      if (!add(finding, s, fmt::format("the disk is full from operation {} on", from)))
        return finding;
    }
  return finding;
}

namespace {

class FlippedBits {
 public:
  FlippedBits(const StoreRules& rules, std::uint64_t seed)
      : rules_(rules), io_(seed), dice_(seed), base_(std::make_shared<ByteBase>(20000)) {
    StoreGeometry geometry;
    geometry.block_bytes = 1024;
    geometry.journal_bytes = 2048;
    geometry.max_bytes = 64 * 1024;
    auto store = JournaledStore::create(io_, "/s", base_, identity_, geometry, rules_);
    // Enough for checkpoints in both slots and a journal with new records in front of old ones.
    for (int i = 0; i < 40; ++i) {
      const std::vector<std::byte> bytes(1 + dice_.below(1500), static_cast<std::byte>(i + 1));
      store->write(dice_.below(24000), bytes);
      if (i % 3 == 0) store->punch(dice_.below(24000), 2048);
      if (i % 9 == 0) store->resize(20000 + dice_.below(9000));
      store->barrier();
    }
    contents_ = contents_of(*store);
    store.reset();
    io_.power_cut();
    saved_ = io_.save();
  }

  Finding all() {
    for (const char* name : {"/s/journal", "/s/head", "/s/map.A", "/s/map.B"}) {
      io_.restore(saved_);
      const std::uint64_t bits = io_.file_bytes(name) * 8;
      for (std::uint64_t i = 0; i < bits; ++i) {
        ++finding_.states;
        // In leaps, each bit once: bad places show early.
        finding_.violation = flip(name, i * kLeap % bits);
        if (!finding_.violation.empty()) return finding_;
      }
    }
    return finding_;
  }

 private:
  static constexpr std::uint64_t kLeap = 100003;  // a prime

  static bool is_kept_twice(const std::string& name, std::uint64_t bit) {
    return name == "/s/journal" || (name != "/s/head" && bit / 8 < kMapPagesStart);
  }

  std::string flip(const std::string& name, std::uint64_t bit) {
    io_.restore(saved_);
    io_.flip_bit(name, bit);
    try {
      const auto head = JournaledStore::read_head(io_, "/s", rules_);
      const auto store = JournaledStore::open(io_, "/s", base_, rules_);
      if (!head || !store) return fmt::format("{}, bit {}: the store is gone", name, bit);
      if (contents_of(*store) != contents_ || head->identity.source_identity != "source" ||
          head->identity.layout_record != "layout" || head->identity.tables_digest != "tables")
        return fmt::format("{}, bit {}: wrong data", name, bit);
    } catch (const Error& error) {
      if (is_kept_twice(name, bit))
        return fmt::format("{}, bit {}: {}", name, bit, error.sentence());
    } catch (const std::exception& error) {
      return fmt::format("{}, bit {}: {}", name, bit, error.what());
    }
    return {};
  }

  const StoreRules rules_;
  CrashIo io_;
  Dice dice_;
  const OverlayIdentity identity_{"source", "layout", "tables"};
  std::shared_ptr<ByteBase> base_;
  std::vector<std::byte> contents_;
  CrashIo::Names saved_;
  Finding finding_;
};

}  // namespace

Finding search_flipped_bits(const StoreRules& rules, std::uint64_t) {
  return FlippedBits(rules, 1).all();
}

}  // namespace v2vfs::fs
