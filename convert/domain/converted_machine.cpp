// SPDX-License-Identifier: MIT
#include "convert/domain/converted_machine.h"

namespace v2vfs::convert {
namespace {

using inspect::ControllerKind;
using inspect::MachineSpec;
using inspect::NicModel;

/// All disks hang on the first controller: plan_drives() makes as many as they need.
ControllerKind kind_of(BlockBus bus) {
  switch (bus) {
    case BlockBus::virtio_blk:
      return ControllerKind::virtio_block;
    case BlockBus::virtio_scsi:
      return ControllerKind::virtio_scsi;
    case BlockBus::sata:
    case BlockBus::source:
      break;
  }
  return ControllerKind::sata;
}

void move_disks(MachineSpec& machine, BlockBus bus) {
  machine.controllers = {{kind_of(bus), 0}};
  unsigned unit = 0;
  for (inspect::DiskSpec& disk : machine.disks) {
    disk.controller = 0;
    disk.unit = unit++;
  }
}

/// i440FX has IDE by itself, q35 AHCI.
void move_removables(MachineSpec& machine, const Capabilities& can) {
  const bool with_disks = can.q35 && can.block_bus == BlockBus::sata;
  if (!with_disks) {
    machine.controllers.push_back({can.q35 ? ControllerKind::sata : ControllerKind::ide, 0});
  }
  unsigned unit = with_disks ? static_cast<unsigned>(machine.disks.size()) : 0;
  for (inspect::RemovableSpec& removable : machine.removables) {
    if (removable.kind != inspect::RemovableKind::cdrom) continue;
    removable.controller = machine.controllers.size() - 1;
    removable.unit = unit++;
  }
}

void change_nics(MachineSpec& machine, GuestNic nic) {
  if (nic == GuestNic::source) return;
  for (inspect::NicSpec& each : machine.nics) {
    each.model = nic == GuestNic::virtio   ? NicModel::virtio
                 : nic == GuestNic::e1000e ? NicModel::e1000e
                                           : NicModel::e1000;
  }
}

}  // namespace

MachineSpec converted_machine(const MachineSpec& spec, const Capabilities& can) {
  MachineSpec machine = spec;
  machine.firmware = can.uefi ? inspect::Firmware::uefi : inspect::Firmware::bios;
  machine.secure_boot = spec.secure_boot && can.uefi;
  move_disks(machine, can.block_bus);
  move_removables(machine, can);
  change_nics(machine, can.nic);
  return machine;
}

}  // namespace v2vfs::convert
