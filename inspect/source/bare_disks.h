// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "inspect/source/described_machine.h"
#include "inspect/source/reading.h"

namespace v2vfs::inspect {

/// A modest machine around a disk that nobody describes: 2 GiB, one CPU, one disk on SATA, one
/// network adapter. All of it is said in the assumptions. `file` is relative to its folder.
DescribedMachine bare_disk_machine(std::string_view file, std::string_view folder);

/// Of the files that are called like disks those that belong to no machine: which none of
/// `readings` names, which are no part, parent or backing file of one that is, and which are disks.
/// Reads the first bytes of those and of what names them. What is left out without belonging to
/// anything is a problem (of Severity::info).
std::vector<Descriptor> machineless_disks(const std::vector<DiskFile>& files,
                                          const std::vector<Reading>& readings,
                                          std::vector<Problem>& problems);

}  // namespace v2vfs::inspect
