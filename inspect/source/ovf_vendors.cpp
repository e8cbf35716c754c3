// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_vendors.h"

#include <fmt/core.h>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

/// VirtualBox moved <Firmware>, <TrustedPlatformModule> and <SecureBoot> in and out of <BIOS>.
Node hardware_child(Node machine, std::string_view kind) {
  const Node hardware = child(machine, "Hardware");
  if (const Node found = child(hardware, kind)) return found;
  return child(child(hardware, "BIOS"), kind);
}

void read_firmware(Node machine, MachineSpec& spec) {
  const std::string type = to_lower(attribute_or(hardware_child(machine, "Firmware"), "type", ""));
  if (type.starts_with("efi")) {
    spec.firmware = Firmware::uefi;
  } else if (type == "bios" || type.empty()) {
    spec.firmware = Firmware::bios;  // VirtualBox leaves its default out
  }
  spec.secure_boot = parse_flag(attribute_or(hardware_child(machine, "SecureBoot"), "enabled", ""));
  const std::string tpm =
      attribute_or(hardware_child(machine, "TrustedPlatformModule"), "type", "");
  if (!tpm.empty() && !equals_ignoring_case(tpm, "none")) spec.tpm = true;
}

/// The enabled adapters stand in the order of the Items.
void read_macs(Node machine, MachineSpec& spec) {
  std::size_t index = 0;
  const Node network = child(child(machine, "Hardware"), "Network");
  for (const Node& adapter : children(network, "Adapter")) {
    if (!parse_flag(attribute_or(adapter, "enabled", ""))) continue;
    if (index >= spec.nics.size()) return;
    NicSpec& nic = spec.nics[index++];
    if (!nic.mac) nic.mac = parse_mac(attribute_or(adapter, "MACAddress", ""));
    if (equals_ignoring_case(attribute_or(adapter, "type", ""), "virtio")) {
      nic.model = NicModel::virtio;
    }
  }
}

}  // namespace

void read_virtualbox(Node system, MachineSpec& spec) {
  const Node machine = child(system, "Machine");
  if (!machine) return;
  if (!spec.uuid) spec.uuid = parse_uuid(attribute_or(machine, "uuid", ""));
  read_firmware(machine, spec);
  read_macs(machine, spec);
  if (spec.os_type.empty()) spec.os_type = attribute_or(machine, "OSType", "");
  if (spec.description.empty()) spec.description = child_text(machine, "Description");
}

void read_ovirt(Node system, MachineSpec& spec) {
  const auto bios = parse_count(child_text(system, "BiosType"));
  if (bios) {  // 1 i440fx, 2 Q35 with SeaBIOS, 3 Q35 with OVMF, 4 the same with secure boot
    spec.firmware = *bios >= 3 ? Firmware::uefi : Firmware::bios;
    spec.secure_boot = *bios >= 4;
  }
  if (spec.uuid) return;
  for (const Node& section : children(system, "OperatingSystemSection")) {
    spec.uuid = parse_uuid(attribute_or(section, "id", ""));
  }
}

}  // namespace v2vfs::inspect::ovf
