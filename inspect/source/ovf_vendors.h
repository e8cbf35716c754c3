// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/model.h"
#include "inspect/source/ovf_document.h"

namespace v2vfs::inspect::ovf {

/// VirtualBox's copy of its own machine settings in the VirtualSystem (vbox:Machine): UUID,
/// firmware, secure boot, TPM, MAC addresses. Does nothing if there is none.
void read_virtualbox(Node system, MachineSpec& spec);

/// oVirt's elements in the VirtualSystem: UUID and BiosType. Does nothing in other descriptors.
void read_ovirt(Node system, MachineSpec& spec);

}  // namespace v2vfs::inspect::ovf
