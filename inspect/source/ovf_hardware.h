// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/model.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/ovf_items.h"

/// What of a VirtualHardwareSection is no storage.
namespace v2vfs::inspect::ovf {

/// The section to use of a VirtualSystem's: VMware's, VirtualBox's, Xen's, else the first. Empty if
/// there is none.
Node choose_hardware(Node system, MachineSpec& spec);

/// CPUs, memory, network adapters, TPM; what is not carried over goes to spec.ignored.
void read_devices(const std::vector<Item>& items, MachineSpec& spec);

/// The vmw:Config and vmw:ExtraConfig of the section itself: firmware, secure boot, UUID, cores.
void read_vmware_config(Node hardware, MachineSpec& spec);

}  // namespace v2vfs::inspect::ovf
