// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/source/described_machine.h"
#include "inspect/source/vmx_dictionary.h"

namespace v2vfs::inspect::vmx {

/// Controllers, disks, CD-ROM and floppy drives. Disks come as VMware counts them: SCSI, NVMe,
/// SATA, IDE, each by bus and unit.
void read_storage(const Dictionary& vmx, DescribedMachine& machine);

}  // namespace v2vfs::inspect::vmx
