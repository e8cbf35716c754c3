// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/source/descriptor_search.h"
#include "inspect/source/reading.h"

namespace v2vfs::inspect {

/// Warns of each file that builds upon a machine's disk while no machine names it: a checkpoint of
/// Hyper-V, a snapshot that the description is older than. The disk is then not what the machine
/// had last. `files` are those of folders that are called disks; only those that no machine has are
/// opened.
void warn_of_newer_states(std::vector<Reading>& readings, const std::vector<DiskFile>& files);

}  // namespace v2vfs::inspect
