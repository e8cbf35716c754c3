// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "inspect/model.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/source.h"

namespace v2vfs::inspect {

struct OvfMachine {
  MachineSpec spec;
  /// Indexes in spec.disks of those that cannot be served whatever their file holds; each has a
  /// warning in spec.problems.
  std::vector<std::size_t> unservable_disks;
};

struct OvfEnvelope {
  ApplianceSpec appliance;
  std::vector<OvfMachine> machines;  // in document order
  std::vector<PackedFile> packed_files;
};

/// Reads an OVF descriptor (DSP0243 0.9, 1.x and 2.x, and what VMware, VirtualBox, oVirt and Citrix
/// make of it). Pure. `file` is the descriptor's name, for messages and where a machine has no
/// name. Throws Error(EINVAL) for a text that is no OVF at all; everything else is said in the
/// machines.
OvfEnvelope parse_ovf(std::string_view text, std::string_view file, const SourceOptions& options);

}  // namespace v2vfs::inspect
