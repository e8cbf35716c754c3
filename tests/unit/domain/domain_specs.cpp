// SPDX-License-Identifier: MIT
#include "tests/unit/domain/domain_specs.h"

#include <fmt/core.h>

namespace v2vfs::convert {

using inspect::ControllerKind;
using inspect::Firmware;
using inspect::MachineSpec;
using inspect::NicModel;

MachineSpec bare_machine() {
  MachineSpec spec;
  spec.id = "vm-1";
  spec.name = "web";
  spec.os_type = "debian12_64Guest";
  spec.uuid = "564d1111-2222-3333-4444-555566667777";
  spec.memory_bytes = 1ull << 30;
  spec.vcpus = 2;
  spec.firmware = Firmware::bios;
  return spec;
}

std::size_t add_controller(MachineSpec& spec, ControllerKind kind, unsigned bus_number) {
  spec.controllers.push_back({kind, bus_number});
  return spec.controllers.size() - 1;
}

void add_disk(MachineSpec& spec, std::optional<std::size_t> controller, unsigned unit) {
  inspect::DiskSpec disk;
  disk.id = fmt::format("vmdisk{}", spec.disks.size() + 1);
  disk.controller = controller;
  disk.unit = unit;
  spec.disks.push_back(disk);
}

void add_cdrom(MachineSpec& spec, std::optional<std::size_t> controller, unsigned unit) {
  inspect::RemovableSpec cdrom;
  cdrom.controller = controller;
  cdrom.unit = unit;
  spec.removables.push_back(cdrom);
}

void add_nic(MachineSpec& spec, NicModel model, const std::string& word, const std::string& mac) {
  inspect::NicSpec nic;
  nic.model = model;
  nic.source_model = word;
  nic.network = "VM Network";
  if (!mac.empty()) nic.mac = mac;
  spec.nics.push_back(nic);
}

std::vector<DomainDisk> paths_for(const MachineSpec& spec) {
  std::vector<DomainDisk> paths;
  for (std::size_t i = 1; i <= spec.disks.size(); ++i) {
    paths.push_back({i == 1 ? "/disks/disk.qcow2" : fmt::format("/disks/disk-{}.qcow2", i)});
  }
  return paths;
}

DomainText domain_of(const MachineSpec& spec, const DomainOptions& options) {
  return compatible_domain(spec, spec.name, kTestUuid, paths_for(spec), options);
}

namespace {

MachineSpec with_disks(ControllerKind kind, unsigned disks, Firmware firmware = Firmware::bios) {
  MachineSpec spec = bare_machine();
  spec.firmware = firmware;
  const std::size_t controller = add_controller(spec, kind);
  for (unsigned i = 0; i < disks; ++i) add_disk(spec, controller, i);
  return spec;
}

/// As vSphere exports it: disk on pvscsi, CD-ROM on the second IDE channel, a vmxnet3.
MachineSpec vsphere_machine() {
  MachineSpec spec = with_disks(ControllerKind::scsi_pvscsi, 1);
  add_controller(spec, ControllerKind::ide, 0);
  add_cdrom(spec, add_controller(spec, ControllerKind::ide, 1), 0);
  add_nic(spec, NicModel::vmxnet3, "VmxNet3", "00:50:56:aa:bb:01");
  spec.description = "Web server\nof the <third> floor & \"cellar\"";
  return spec;
}

MachineSpec many_scsi_machine() {
  MachineSpec spec = bare_machine();
  const std::size_t sas = add_controller(spec, ControllerKind::scsi_lsisas1068, 0);
  const std::size_t para0 = add_controller(spec, ControllerKind::scsi_pvscsi, 1);
  const std::size_t para1 = add_controller(spec, ControllerKind::scsi_pvscsi, 2);
  add_disk(spec, sas, 0);
  add_disk(spec, sas, 6);
  add_disk(spec, para0, 0);
  add_disk(spec, para0, 15);
  add_disk(spec, para1, 3);
  return spec;
}

/// 15 disks, unit 7 left out as VMware does: more than the 8 ports of QEMU's lsisas1068.
MachineSpec full_sas_machine() {
  MachineSpec spec = bare_machine();
  const std::size_t sas = add_controller(spec, ControllerKind::scsi_lsisas1068);
  for (unsigned unit = 0; unit < 16; ++unit) {
    if (unit != 7) add_disk(spec, sas, unit);
  }
  return spec;
}

MachineSpec ide_machine() {
  MachineSpec spec = bare_machine();
  spec.os_type = "winXPProGuest";
  spec.vcpus = 1;
  spec.cores_per_socket = 1;
  const std::size_t first = add_controller(spec, ControllerKind::ide, 0);
  const std::size_t second = add_controller(spec, ControllerKind::ide, 1);
  add_disk(spec, first, 0);
  add_disk(spec, first, 1);
  add_cdrom(spec, second, 0);
  inspect::RemovableSpec floppy;
  floppy.kind = inspect::RemovableKind::floppy;
  spec.removables.push_back(floppy);
  add_nic(spec, NicModel::pcnet32, "PCNet32", "00:0c:29:00:00:01");
  return spec;
}

MachineSpec replaced_machine() {
  MachineSpec spec = bare_machine();
  add_disk(spec, add_controller(spec, ControllerKind::scsi_lsilogic, 0), 0);
  add_disk(spec, add_controller(spec, ControllerKind::scsi_buslogic, 1), 1);
  add_disk(spec, add_controller(spec, ControllerKind::nvme, 0), 0);
  add_disk(spec, std::nullopt, 0);
  return spec;
}

MachineSpec uefi_machine(bool secure) {
  MachineSpec spec = with_disks(ControllerKind::scsi_pvscsi, 1, Firmware::uefi);
  spec.secure_boot = secure;
  spec.tpm = secure;
  add_cdrom(spec, add_controller(spec, ControllerKind::sata), 0);
  add_nic(spec, NicModel::e1000e, "E1000e", "00:50:56:aa:bb:03");
  return spec;
}

MachineSpec many_nics_machine() {
  MachineSpec spec = with_disks(ControllerKind::sata, 2);
  add_nic(spec, NicModel::vmxnet3, "VmxNet3", "00:50:56:aa:bb:01");
  add_nic(spec, NicModel::e1000, "E1000", "00:50:56:aa:bb:02");
  add_nic(spec, NicModel::e1000e, "E1000e", "00:50:56:aa:bb:03");
  add_nic(spec, NicModel::vmxnet2, "VmxNet2", "00:50:56:aa:bb:04");
  add_nic(spec, NicModel::virtio, "virtio");
  add_nic(spec, NicModel::unknown, "");
  spec.nics[1].connected = false;
  spec.nics[2].network = "DMZ";
  spec.nics[3].network = "Nowhere";
  return spec;
}

/// Nothing but what a source must have: the rest is guessed, and each guess said.
MachineSpec silent_machine() {
  MachineSpec spec;
  spec.id = spec.name = "silent";
  spec.vcpus = 6;
  spec.cores_per_socket = 4;
  add_disk(spec, std::nullopt, 0);
  add_cdrom(spec, std::nullopt, 0);
  return spec;
}

MachineSpec virtio_machine() {
  MachineSpec spec = with_disks(ControllerKind::virtio_scsi, 2);
  const std::size_t block = add_controller(spec, ControllerKind::virtio_block);
  add_disk(spec, block, 0);
  add_disk(spec, block, 0);
  add_cdrom(spec, block, 0);
  return spec;
}

MachineSpec boot_order_machine() {
  MachineSpec spec = with_disks(ControllerKind::scsi_pvscsi, 3);
  spec.disks[2].boot_order = 1;
  spec.vcpus = 8;
  spec.cores_per_socket = 4;
  return spec;
}

MachineSpec secure_ide_machine() {
  MachineSpec spec = with_disks(ControllerKind::ide, 2, Firmware::uefi);
  spec.secure_boot = true;
  return spec;
}

MachineSpec windows_machine() {
  MachineSpec spec = uefi_machine(true);
  spec.os_type = "windows2019srv_64Guest";
  spec.name = "Büro/Server";
  return spec;
}

DomainOptions able_host() {
  DomainOptions options;
  options.host.has_ovmf_secure_boot = true;
  options.host.has_swtpm = true;
  return options;
}

DomainOptions mapped_networks() {
  DomainOptions options;
  options.network = {NetworkKind::user, ""};
  options.network_map = {{"DMZ", "default"}, {"Nowhere & <none>", "x"}};
  return options;
}

DomainOptions kvm_and_bridge() {
  DomainOptions options;
  options.host.kvm = true;
  options.network = {NetworkKind::bridge, "br0"};
  return options;
}

MachineSpec large_machine() {
  MachineSpec spec = bare_machine();
  for (unsigned bus = 0; bus < 4; ++bus) {
    const std::size_t controller = add_controller(spec, ControllerKind::scsi_pvscsi, bus);
    for (unsigned unit = 0; unit < 16; ++unit) {
      if (unit != 7) add_disk(spec, controller, unit);
    }
  }
  for (unsigned i = 0; i < 10; ++i) add_nic(spec, NicModel::vmxnet3, "VmxNet3");
  return spec;
}

}  // namespace

std::vector<DomainCase> domain_cases() {
  return {
      {"pvscsi-ide-cdrom-bios", vsphere_machine(), {}},
      {"pvscsi-only", with_disks(ControllerKind::scsi_pvscsi, 2), {}},
      {"lsisas", with_disks(ControllerKind::scsi_lsisas1068, 3), {}},
      {"lsisas-15-disks", full_sas_machine(), {}},
      {"three-scsi-controllers", many_scsi_machine(), {}},
      {"sata-8-disks", with_disks(ControllerKind::sata, 8), {}},
      {"ide-floppy-windows", ide_machine(), {}},
      {"ide-six-disks", with_disks(ControllerKind::ide, 6), {}},
      {"replaced-controllers", replaced_machine(), {}},
      {"uefi", uefi_machine(false), able_host()},
      {"uefi-secure-boot-tpm", uefi_machine(true), able_host()},
      {"uefi-secure-boot-poor-host", uefi_machine(true), {}},
      {"uefi-ide", with_disks(ControllerKind::ide, 1, Firmware::uefi), {}},
      {"uefi-secure-boot-ide", secure_ide_machine(), able_host()},
      {"uefi-lsisas", with_disks(ControllerKind::scsi_lsisas1068, 1, Firmware::uefi), {}},
      {"windows-uefi", windows_machine(), able_host()},
      {"nics-user-and-map", many_nics_machine(), mapped_networks()},
      {"kvm-bridge", vsphere_machine(), kvm_and_bridge()},
      {"silent-source", silent_machine(), {}},
      {"virtio", virtio_machine(), {}},
      {"boot-order-topology", boot_order_machine(), {}},
      {"no-disk", bare_machine(), {}},
      {"sixty-disks-ten-nics", large_machine(), {}},
  };
}

}  // namespace v2vfs::convert
