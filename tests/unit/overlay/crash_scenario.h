// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/overlay/store_rules.h"
#include "tests/unit/overlay/crash_io.h"

namespace v2vfs::fs {

/// One life of a store and what becomes of it. The seed says which operations there are; then at
/// most one of: the process dies or the power is cut at a step, a call fails, the disk is full from
/// some operation on. What is left is opened (dying again in the middle, often), checked against
/// the oracle, opened once more, used for a while, and at the end the power is cut and all checked
/// again.
struct Scenario {
  std::uint64_t seed = 1;
  StoreRules rules;
  struct Cut {
    std::uint64_t step;
    CutPoint point;
    bool is_power_cut;
  };
  std::optional<Cut> cut;
  std::vector<Cut> recovery_cuts;  // of the recoveries after `cut`, one each; else they are random
  struct Fault {
    std::uint64_t call;
    int error_number;
  };
  std::optional<Fault> fault;
  std::optional<std::uint64_t> full_from;  // operation
};

struct Outcome {
  std::string violation;     // empty: all as promised
  std::uint64_t states = 0;  // that were checked
  std::uint64_t steps = 0;   // of the first life, for going through all of them
  std::uint64_t calls = 0;
  std::uint64_t recovery_steps = 0;  // of the last recovery
};

Outcome run(const Scenario& scenario);

/// A barrier with more than one sector of journal records is cut off before their fdatasync; after
/// recovery come a few small barriers and one more power cut. The seed says how many records each
/// time.
Outcome run_torn_batch(std::uint64_t seed, const StoreRules& rules);

}  // namespace v2vfs::fs
