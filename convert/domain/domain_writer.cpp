// SPDX-License-Identifier: MIT
#include "convert/domain/domain_writer.h"

#include <pugixml.hpp>

#include <algorithm>
#include <sstream>

#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using pugi::xml_node;

constexpr const char* kNamespace = "urn:v2vfs:domain:1";
constexpr std::size_t kMostNotes = 64;  // of a kind in <metadata>

/// A child with attributes: add(parent, "target", "dev", "sda", "bus", "scsi").
xml_node add(xml_node parent, const char* name) { return parent.append_child(name); }

void set(xml_node node, const char* key, const char* value) { node.append_attribute(key) = value; }
void set(xml_node node, const char* key, const std::string& value) {
  set(node, key, value.c_str());
}
void set(xml_node node, const char* key, std::uint64_t value) {
  node.append_attribute(key) = static_cast<unsigned long long>(value);
}

template <typename Value, typename... Rest>
xml_node add(xml_node parent, const char* name, const char* key, const Value& value,
             const Rest&... rest);

void set_all(xml_node) {}
template <typename Value, typename... Rest>
void set_all(xml_node node, const char* key, const Value& value, const Rest&... rest) {
  set(node, key, value);
  set_all(node, rest...);
}

template <typename Value, typename... Rest>
xml_node add(xml_node parent, const char* name, const char* key, const Value& value,
             const Rest&... rest) {
  const xml_node node = parent.append_child(name);
  set_all(node, key, value, rest...);
  return node;
}

xml_node add_text(xml_node parent, const char* name, const std::string& text) {
  const xml_node node = parent.append_child(name);
  node.text().set(text.c_str());
  return node;
}

const char* word(Bus bus) {
  switch (bus) {
    case Bus::ide:
      return "ide";
    case Bus::sata:
      return "sata";
    case Bus::scsi:
      return "scsi";
    case Bus::virtio:
      return "virtio";
    case Bus::fdc:
      return "fdc";
  }
  return "sata";
}

const char* word(ScsiModel model) {
  switch (model) {
    case ScsiModel::vmpvscsi:
      return "vmpvscsi";
    case ScsiModel::lsisas1068:
      return "lsisas1068";
    case ScsiModel::virtio_scsi:
      return "virtio-scsi";
  }
  return "virtio-scsi";
}

const char* word(DriveKind kind) {
  switch (kind) {
    case DriveKind::disk:
      return "disk";
    case DriveKind::cdrom:
      return "cdrom";
    case DriveKind::floppy:
      return "floppy";
  }
  return "disk";
}

const char* word(DomainNicModel model) {
  switch (model) {
    case DomainNicModel::vmxnet3:
      return "vmxnet3";
    case DomainNicModel::e1000:
      return "e1000";
    case DomainNicModel::e1000e:
      return "e1000e";
    case DomainNicModel::virtio:
      return "virtio";
    case DomainNicModel::rtl8139:
      return "rtl8139";
    case DomainNicModel::pcnet:
      return "pcnet";
  }
  return "e1000e";
}

const char* word(inspect::Firmware firmware) {
  switch (firmware) {
    case inspect::Firmware::unknown:
      return "unknown";
    case inspect::Firmware::bios:
      return "bios";
    case inspect::Firmware::uefi:
      return "uefi";
  }
  return "unknown";
}

void write_identity(xml_node domain, const DomainModel& model) {
  add_text(domain, "name", model.name);
  add_text(domain, "uuid", model.uuid);
  if (!model.genid.empty()) add_text(domain, "genid", model.genid);
  if (!model.description.empty()) add_text(domain, "description", model.description);
}

/// For people and for tools that want to know what was there before: nothing here configures
/// anything.
void write_metadata(xml_node domain, const DomainModel& model, const inspect::MachineSpec& source) {
  const xml_node machine =
      add(add(domain, "metadata"), "v2vfs:machine", "xmlns:v2vfs", kNamespace, "id",
          clean_text(source.id), "name", clean_text(source.name), "os", clean_text(source.os_type),
          "firmware", word(source.firmware), "memory-bytes", source.memory_bytes, "vcpus",
          std::uint64_t{source.vcpus});
  for (std::size_t i = 0; i < std::min(source.nics.size(), kMostNotes); ++i) {
    const inspect::NicSpec& nic = source.nics[i];
    const xml_node node = add(machine, "v2vfs:nic", "model", clean_text(nic.source_model),
                              "network", clean_text(nic.network.value_or("")));
    if (nic.pci_slot) set(node, "pci-slot", std::uint64_t{*nic.pci_slot});
  }
  for (std::size_t i = 0; i < std::min(model.changes.size(), kMostNotes); ++i) {
    add_text(machine, "v2vfs:changed", model.changes[i]);
  }
}

void write_size(xml_node domain, const DomainModel& model) {
  const xml_node memory = add_text(domain, "memory", std::to_string(model.memory_kib));
  set(memory, "unit", "KiB");
  add_text(domain, "vcpu", std::to_string(model.vcpus));
}

/// Without the features libvirt takes the first firmware that fits the machine, on Debian the one
/// with Secure Boot and Microsoft's keys.
void write_os(xml_node domain, const DomainModel& model) {
  const xml_node os = add(domain, "os");
  if (model.uefi) set(os, "firmware", "efi");
  const xml_node type = add_text(os, "type", "hvm");
  set(type, "arch", model.arch);
  set(type, "machine", model.machine == MachineType::pc ? "pc" : "q35");
  if (!model.uefi) return;
  const char* secure = model.secure_boot ? "yes" : "no";
  const xml_node firmware = add(os, "firmware");
  add(firmware, "feature", "enabled", secure, "name", "secure-boot");
  add(firmware, "feature", "enabled", secure, "name", "enrolled-keys");
}

/// vmport is QEMU's copy of VMware's backdoor: with it, tools in the guest take this for VMware.
void write_features(xml_node domain, const DomainModel& model) {
  const xml_node features = add(domain, "features");
  add(features, "acpi");
  add(features, "apic");
  if (model.secure_boot) add(features, "smm", "state", "on");
  add(features, "vmport", "state", "off");
}

/// What the guest ran on had all that its host had, so it gets all that this host can give:
/// host-model under KVM; under TCG everything that TCG knows ("maximum"), because QEMU's default
/// there, qemu64, lacks the x86-64-v2 that RHEL 9 and its like demand.
void write_cpu(xml_node domain, const DomainModel& model) {
  const xml_node cpu = add(domain, "cpu", "mode", model.kvm ? "host-model" : "maximum");
  if (!model.topology) return;
  add(cpu, "topology", "sockets", std::uint64_t{model.topology->sockets}, "cores",
      std::uint64_t{model.topology->cores}, "threads", "1");
}

void write_lifecycle(xml_node domain, const DomainModel& model) {
  add(domain, "clock", "offset", model.localtime ? "localtime" : "utc");
  add_text(domain, "on_poweroff", "destroy");
  add_text(domain, "on_reboot", "restart");
  add_text(domain, "on_crash", "destroy");
}

/// Of a virtio device: PCI Express slots offer 0.9 only where it is asked for.
const char* virtio_word(const DomainModel& model) {
  return model.transitional ? "virtio-transitional" : "virtio";
}

void write_controller(xml_node devices, const DomainController& controller,
                      const DomainModel& model) {
  const xml_node node = add(devices, "controller", "type", word(controller.bus), "index",
                            std::uint64_t{controller.index});
  if (controller.bus != Bus::scsi) return;
  const bool old_virtio = model.transitional && controller.model == ScsiModel::virtio_scsi;
  set(node, "model", old_virtio ? virtio_word(model) : word(controller.model));
}

/// O_DIRECT because the mount caches for itself; threads because a native AIO submission to FUSE
/// may block QEMU's main loop while the mount waits for the source; a full state folder stops the
/// guest instead of failing its writes.
void write_driver(xml_node disk, bool is_qcow2) {
  const xml_node driver = add(disk, "driver", "name", "qemu", "type", is_qcow2 ? "qcow2" : "raw");
  if (!is_qcow2) return;
  set_all(driver, "cache", "none", "error_policy", "enospace", "io", "threads", "discard", "unmap",
          "detect_zeroes", "unmap");
}

void write_address(xml_node disk, const DriveAddress& address) {
  add(disk, "address", "type", "drive", "controller", std::uint64_t{address.controller}, "bus",
      std::uint64_t{address.bus}, "target", std::uint64_t{address.target}, "unit",
      std::uint64_t{address.unit});
}

/// <backingStore/> says that the chain ends here: libvirt then does not read the file to find out.
void write_drive(xml_node devices, const DomainDrive& drive, const DomainModel& model) {
  const bool has_medium = !drive.path.empty();
  const xml_node disk = add(devices, "disk", "type", "file", "device", word(drive.kind));
  if (drive.bus == Bus::virtio && model.transitional) set(disk, "model", virtio_word(model));
  write_driver(disk, drive.kind == DriveKind::disk);
  if (has_medium) {
    add(disk, "source", "file", drive.path);
    add(disk, "backingStore");
  }
  add(disk, "target", "dev", drive.name, "bus", word(drive.bus));
  // A medium is a file of the source, which is never written.
  const bool is_source_file = drive.kind == DriveKind::floppy && has_medium;
  if (drive.kind == DriveKind::cdrom || is_source_file) add(disk, "readonly");
  if (!drive.serial.empty()) add_text(disk, "serial", drive.serial);
  if (!drive.wwn.empty()) add(disk, "wwn").text().set(drive.wwn.c_str());
  if (drive.boot_order) add(disk, "boot", "order", std::uint64_t{*drive.boot_order});
  if (drive.address) write_address(disk, *drive.address);
}

void write_nic(xml_node devices, const DomainNic& nic, const DomainModel& model) {
  const xml_node node = add(devices, "interface");
  add(node, "mac", "address", nic.mac);
  switch (nic.network.kind) {
    case NetworkKind::network:
      set(node, "type", "network");
      add(node, "source", "network", nic.network.name);
      break;
    case NetworkKind::bridge:
      set(node, "type", "bridge");
      add(node, "source", "bridge", nic.network.name);
      break;
    case NetworkKind::user:
      set(node, "type", "user");
      break;
  }
  const bool virtio = nic.model == DomainNicModel::virtio;
  add(node, "model", "type", virtio ? virtio_word(model) : word(nic.model));
  if (!nic.link_up) add(node, "link", "state", "down");
}

/// What every machine gets: its serial ports, the first of which is the console, a screen that
/// every guest can drive, a pointer that VNC needs.
void write_console_devices(xml_node devices, const DomainModel& model) {
  add(devices, "input", "type", "tablet", "bus", "usb");
  for (unsigned port = 0; port < model.serial_ports; ++port) {
    add(add(devices, "serial", "type", "pty"), "target", "port", std::uint64_t{port});
  }
  add(add(devices, "console", "type", "pty"), "target", "type", "serial", "port", "0");
  const xml_node graphics =
      add(devices, "graphics", "type", "vnc", "autoport", "yes", "listen", "127.0.0.1");
  add(graphics, "listen", "type", "address", "address", "127.0.0.1");
  add(add(devices, "video"), "model", "type", "vga", "vram", "16384", "heads", "1");
}

/// Without a word of it libvirt adds a balloon.
void write_helpers(xml_node devices, const DomainModel& model) {
  if (model.agent_channel) {
    const xml_node controller = add(devices, "controller", "type", "virtio-serial", "index", "0");
    if (model.transitional) set(controller, "model", virtio_word(model));
    add(add(devices, "channel", "type", "unix"), "target", "type", "virtio", "name",
        "org.qemu.guest_agent.0");
  }
  add(devices, "memballoon", "model", model.balloon ? virtio_word(model) : "none");
  if (!model.rng) return;
  const xml_node backend =
      add(add(devices, "rng", "model", virtio_word(model)), "backend", "model", "random");
  backend.text().set("/dev/urandom");
}

void write_tpm(xml_node devices) {
  add(add(devices, "tpm", "model", "tpm-crb"), "backend", "type", "emulator", "version", "2.0");
}

void write_devices(xml_node domain, const DomainModel& model) {
  const xml_node devices = add(domain, "devices");
  for (const DomainController& controller : model.controllers) {
    write_controller(devices, controller, model);
  }
  for (const DomainDrive& drive : model.drives) write_drive(devices, drive, model);
  for (const DomainNic& nic : model.nics) write_nic(devices, nic, model);
  if (model.tpm) write_tpm(devices);
  write_console_devices(devices, model);
  write_helpers(devices, model);
}

}  // namespace

std::string write_domain(const DomainModel& model, const inspect::MachineSpec& source) {
  pugi::xml_document document;
  const xml_node domain = add(document.root(), "domain", "type", model.kvm ? "kvm" : "qemu");
  write_identity(domain, model);
  write_metadata(domain, model, source);
  write_size(domain, model);
  write_os(domain, model);
  write_features(domain, model);
  write_cpu(domain, model);
  write_lifecycle(domain, model);
  write_devices(domain, model);
  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration, pugi::encoding_utf8);
  return out.str();
}

}  // namespace v2vfs::convert
