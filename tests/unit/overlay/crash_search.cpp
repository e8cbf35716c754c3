// SPDX-License-Identifier: MIT
#include "tests/unit/overlay/crash_search.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/crash_scenario.h"
#include "tests/unit/overlay/disk_model.h"

namespace v2vfs::fs {
namespace {

// All are visited, in leaps of a prime, so that what is alike does not come in a row and a search
// that finds something finds it early.
constexpr std::uint64_t kLeap = 100003;

const char* name_of(CutPoint point) {
  return point == CutPoint::before ? "before" : point == CutPoint::torn ? "in" : "after";
}

std::string name_of(const Scenario::Cut& cut) {
  return fmt::format(", {} {} step {}", cut.is_power_cut ? "power cut" : "death",
                     name_of(cut.point), cut.step);
}

std::string name_of(const Scenario& s) {
  std::string name = fmt::format("seed {}", s.seed);
  if (s.cut) name += name_of(*s.cut);
  for (const auto& cut : s.recovery_cuts) name += " and in recovery" + name_of(cut);
  if (s.fault) name += fmt::format(", errno {} at call {}", s.fault->error_number, s.fault->call);
  if (s.full_from) name += fmt::format(", full from operation {} on", *s.full_from);
  return name;
}

Finding visit(const std::vector<Scenario>& all, std::size_t most) {
  log::to_file("/dev/null", log::Level::error);  // poison by the thousand
  Finding finding;
  for (std::size_t i = 0; i < std::min(most, all.size()); ++i) {
    const Scenario& scenario = all[i * kLeap % all.size()];
    const Outcome outcome = run(scenario);
    finding.states += outcome.states;
    if (outcome.violation.empty()) continue;
    finding.violation = name_of(scenario) + ": " + outcome.violation;
    break;
  }
  return finding;
}

Scenario plain(std::uint64_t seed, const StoreRules& rules) {
  Scenario s;
  s.seed = seed;
  s.rules = rules;
  return s;
}

std::vector<Scenario::Cut> cuts_of(std::uint64_t steps) {
  std::vector<Scenario::Cut> cuts;
  for (std::uint64_t step = 0; step < steps; ++step)
    for (const CutPoint point : {CutPoint::before, CutPoint::torn, CutPoint::after})
      for (const bool power : {false, true}) cuts.push_back({step, point, power});
  return cuts;
}

void add_recoveries(std::vector<Scenario>& all, Scenario s) {
  s.recovery_cuts = {{1000, CutPoint::after, false}};  // never: only to count the steps
  const auto cuts = cuts_of(run(s).recovery_steps);
  for (const auto& first : cuts)
    for (const auto& second : cuts) {
      if (first.is_power_cut) continue;  // then the second is like a first one
      s.recovery_cuts = {first, second};
      all.push_back(s);
    }
}

}  // namespace

Finding search_cuts(const StoreRules& rules, std::uint64_t seeds) {
  std::vector<Scenario> all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Scenario s = plain(seed, rules);
    const std::uint64_t steps = run(s).steps;
    all.push_back(s);
    for (const auto& cut : cuts_of(steps)) {
      s.cut = cut;
      all.push_back(s);
    }
  }
  return visit(all, all.size());
}

Finding search_recovery(const StoreRules& rules, std::uint64_t seeds) {
  std::vector<Scenario> all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Scenario s = plain(seed, rules);
    const std::uint64_t steps = run(s).steps;
    for (const std::uint64_t step : {steps / 2, steps - 1})
      for (const bool power : {false, true}) {
        s.cut = {step, CutPoint::after, power};
        add_recoveries(all, s);
      }
  }
  return visit(all, 4000);
}

Finding search_torn_batches(const StoreRules& rules, std::uint64_t seeds) {
  Finding finding;
  for (std::uint64_t seed = 1; seed <= seeds * 100 && finding.violation.empty(); ++seed) {
    const Outcome outcome = run_torn_batch(seed, rules);
    finding.states += outcome.states;
    if (!outcome.violation.empty())
      finding.violation = fmt::format("torn batch {}: {}", seed, outcome.violation);
  }
  return finding;
}

Finding search_faults(const StoreRules& rules, std::uint64_t seeds) {
  std::vector<Scenario> all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Scenario s = plain(seed, rules);
    const std::uint64_t calls = run(s).calls;
    for (std::uint64_t call = 0; call < calls; ++call)
      for (const int error : {EIO, ENOSPC}) {
        s.fault = {call, error};
        all.push_back(s);
      }
  }
  return visit(all, all.size());
}

Finding search_full_disk(const StoreRules& rules, std::uint64_t seeds) {
  std::vector<Scenario> all;
  for (std::uint64_t seed = 1; seed <= seeds * 4; ++seed)
    for (std::uint64_t from = 0; from < 24; ++from) {
      all.push_back(plain(seed, rules));
      all.back().full_from = from;
    }
  return visit(all, all.size());
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
    std::vector<std::pair<const char*, std::uint64_t>> bits;
    io_.restore(saved_);
    for (const char* name : {"/s/journal", "/s/head", "/s/map.A", "/s/map.B"})
      for (std::uint64_t bit = 0; bit < io_.file_bytes(name) * 8; ++bit)
        bits.push_back({name, bit});
    for (std::size_t i = 0; i < bits.size() && finding_.violation.empty(); ++i) {
      const auto& [name, bit] = bits[i * kLeap % bits.size()];
      ++finding_.states;
      finding_.violation = flip(name, bit);
    }
    return finding_;
  }

 private:
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
