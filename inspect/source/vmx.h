// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/model.h"
#include "inspect/source/described_machine.h"

namespace v2vfs::inspect {

/// Reads a .vmx of Workstation, Fusion, Player, GSX or ESX. Pure. `file` is its name, for messages
/// and where the machine has none. Throws Error(EINVAL) for a text that is no VMX; everything else
/// is said in the machine.
DescribedMachine parse_vmx(std::string_view bytes, std::string_view file);

/// Reads the .vmsd beside it into `spec.snapshots`, after the disks are known. What it does not
/// understand is a sentence in the assumptions. Throws Error(EINVAL) as parse_vmx() does.
void read_vmsd(std::string_view bytes, std::string_view file, MachineSpec& spec);

}  // namespace v2vfs::inspect
