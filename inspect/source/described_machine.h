// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "inspect/model.h"

namespace v2vfs::inspect {

/// What a parser makes of the text of one machine, before anybody looks for its files.
struct DescribedMachine {
  MachineSpec spec;
  /// Indexes in spec.disks of those that cannot be served whatever their file holds; each has a
  /// problem in spec.problems.
  std::set<std::size_t> unservable_disks;
};

/// The memory and the CPUs of a machine whose source says less.
constexpr std::uint64_t kAssumedMemory = 2ULL << 30;
constexpr unsigned kMostCpus = 1024;
constexpr std::uint64_t kMostMemory = 16ULL << 40;

/// Puts memory and CPUs within bounds and says so in the assumptions; 0 bytes become
/// kAssumedMemory. `cores` is the number of cores of a socket; 0: not given.
void settle_size(std::uint64_t memory_bytes, std::uint64_t cpus, std::uint64_t cores,
                 MachineSpec& spec);

/// Sorts spec.disks as a machine counts them: by the controller family of the disk that is named
/// first, then by bus and unit. Indexes in `machine` follow.
void sort_disks(DescribedMachine& machine);

}  // namespace v2vfs::inspect
