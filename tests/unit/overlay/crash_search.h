// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "fs/overlay/store_rules.h"

namespace v2vfs::fs {

/// What a search came upon: the first violation, if any, and after how many states.
struct Finding {
  std::string violation;
  std::uint64_t states = 0;
};

constexpr std::uint64_t kAllSeeds = 12;

/// Each goes through one kind of mishap with the given rules, seed by seed, and stops at the first
/// violation. Deterministic.
using Search = Finding (*)(const StoreRules& rules, std::uint64_t seeds);

/// Power cut and process death: before, in the middle of, and after each step.
Finding search_cuts(const StoreRules& rules, std::uint64_t seeds);
/// Recovery itself dies, at each of its steps, and so does the one after it, at each of its steps.
Finding search_recovery(const StoreRules& rules, std::uint64_t seeds);
/// Journals of more than a sector are torn; what lies behind the torn place stays dead.
Finding search_torn_batches(const StoreRules& rules, std::uint64_t seeds);
/// Each call once with EIO and once with ENOSPC.
Finding search_faults(const StoreRules& rules, std::uint64_t seeds);
/// The disk is full from some operation on: what was accepted must reach the disk.
Finding search_full_disk(const StoreRules& rules, std::uint64_t seeds);
/// Each bit of head, map.A, map.B and journal of a small store: found out, or without effect. A bit
/// of a map header or of the journal must be without effect: both are kept twice.
Finding search_flipped_bits(const StoreRules& rules, std::uint64_t seeds);

}  // namespace v2vfs::fs
