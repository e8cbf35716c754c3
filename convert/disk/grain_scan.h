// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "convert/disk/grain_tables.h"
#include "inspect/base/digest.h"

namespace v2vfs::convert {

/// What one pass over all tables of a sparse extent finds. The starts are what grows with the disk:
/// 4 bytes a stored grain.
struct GrainScan {
  std::vector<std::uint32_t> starts;   // sectors of all stored grains, ascending, with repetitions
  bool has_starts = false;             // false: not asked for, or the tables overlap
  std::vector<std::uint64_t> damaged;  // grains, ascending; cut at kDamageLimit
  bool is_aligned = true;              // each stored grain lies at a multiple of the grain's size
  std::uint64_t stored_bytes = 0;  // of the guest: stored and damaged grains, within the capacity
  std::uint64_t stored_grains = 0;
  std::uint64_t damaged_grains = 0;
  std::vector<bool> table_in_use;  // for each table: it has a stored or damaged grain
};

inline constexpr std::size_t kDamageLimit = std::size_t{1} << 20;

/// Reads every table once, in order, adds it to `digest`, and logs what is damaged (`name`: the
/// file). Throws Error if a table cannot be read.
GrainScan scan_grains(const GrainTables& tables, std::string_view name, bool want_starts,
                      Digest& digest);

}  // namespace v2vfs::convert
