// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/model.h"
#include "inspect/source/ovf_items.h"
#include "inspect/source/ovf_tables.h"

namespace v2vfs::inspect::ovf {

/// Reads controllers, disks and removable drives of a machine into `spec`. Disks come in the order
/// in which a machine counts them: by the family whose disk the descriptor names first, then by
/// controller, then by unit. Returns the indexes in spec.disks of those that cannot be served, each
/// with a warning in spec.problems.
std::vector<std::size_t> read_storage(const std::vector<Item>& items, const Tables& tables,
                                      MachineSpec& spec);

}  // namespace v2vfs::inspect::ovf
