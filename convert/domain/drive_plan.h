// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "convert/domain/domain_model.h"
#include "inspect/model.h"

namespace v2vfs::convert {

/// `pc` where a drive hangs on IDE, which q35 does not have; q35 for all others. UEFI with Secure
/// Boot is q35 only (it needs SMM), and a UEFI guest that has but CD-ROMs on IDE gets q35 as well.
MachineType choose_machine(const inspect::MachineSpec& spec);

struct DrivePlan {
  std::vector<DomainController> controllers;
  std::vector<DomainDrive> drives;   // disks in the order of spec.disks, then removables
  std::vector<std::string> changes;  // a sentence for all that is not as the source has it
};

/// Puts every drive at a place that QEMU and libvirt have, so that the guest counts its disks as it
/// did: controllers in the order of their first disk, drives on each in the order of their units.
/// Units are kept where they are unique and within the controller's reach, else the drives of that
/// controller are numbered from 0. `paths` are those of spec.disks, `media` as in DomainOptions.
DrivePlan plan_drives(const inspect::MachineSpec& spec, MachineType machine,
                      const std::vector<DomainDisk>& paths,
                      const std::vector<std::string>& media = {});

}  // namespace v2vfs::convert
