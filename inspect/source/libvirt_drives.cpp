// SPDX-License-Identifier: MIT
#include "inspect/source/libvirt_drives.h"

#include <fmt/core.h>

#include <map>
#include <optional>
#include <string>

#include "inspect/base/text.h"
#include "inspect/source/drive_places.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect::libvirt_xml {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;
using pugi::xml_node;

constexpr unsigned kIdeUnits = 2;

std::optional<unsigned> small_number(const char* text, unsigned most) {
  const auto value = ovf::parse_count(text);
  if (!value || *value > most) return std::nullopt;
  return static_cast<unsigned>(*value);
}

ControllerKind scsi_kind(const std::string& model) {
  static const std::map<std::string, ControllerKind> kModels = {
      {"buslogic", ControllerKind::scsi_buslogic},
      {"lsilogic", ControllerKind::scsi_lsilogic},
      {"lsisas1068", ControllerKind::scsi_lsisas1068},
      {"lsisas1078", ControllerKind::scsi_lsisas1068},
      {"vmpvscsi", ControllerKind::scsi_pvscsi},
      {"virtio-scsi", ControllerKind::virtio_scsi},
      {"virtio-transitional", ControllerKind::virtio_scsi},
      {"virtio-non-transitional", ControllerKind::virtio_scsi},
  };
  const auto known = kModels.find(model);
  return known == kModels.end() ? ControllerKind::scsi_lsilogic : known->second;
}

/// Where a disk's bytes are.
struct Medium {
  std::string file;     // a path; "" if there is none
  std::string problem;  // why it is no file; "" if it is one
};

std::string attribute(xml_node node, const char* name) { return node.attribute(name).value(); }

Medium medium_of(xml_node disk) {
  const std::string type = disk.attribute("type").as_string("file");
  const xml_node source = disk.child("source");
  if (type == "file") return {attribute(source, "file"), ""};
  if (type == "block") return {attribute(source, "dev"), ""};
  if (type == "volume") {
    return {"",
            fmt::format("it is the volume {} of the storage pool {}",
                        quoted(attribute(source, "volume")), quoted(attribute(source, "pool")))};
  }
  if (type == "network") {
    return {"",
            fmt::format("it is reached over the network ({} {})",
                        quoted(attribute(source, "protocol")), quoted(attribute(source, "name")))};
  }
  if (type == "dir") return {"", "it is made from a folder"};
  return {"", fmt::format("it is of the kind {}", quoted(type))};
}

class DriveReader {
 public:
  DriveReader(xml_node devices, DescribedMachine& machine)
      : devices_(devices), machine_(machine), spec_(machine.spec), places_(machine.spec) {}

  void run() {
    for (const xml_node& node : devices_.children("controller")) read_controller(node);
    for (const xml_node& node : devices_.children("disk")) read_disk_element(node);
  }

 private:
  void read_controller(xml_node node) {
    const std::string type = attribute(node, "type");
    const auto index = small_number(attribute(node, "index").c_str(), kMostBusNumber);
    const std::string model = attribute(node, "model");
    if (type == "scsi") scsi_models_[index.value_or(0)] = model;
    if (type == "ide" || type == "sata" || type == "scsi" || type == "fdc" || type == "pci" ||
        type == "usb") {
      return;
    }
    add_note(spec_.ignored,
             fmt::format("The controller {} {} is left out.", quoted(type), index.value_or(0)));
  }

  void read_disk_element(xml_node node) {
    if (spec_.disks.size() + spec_.removables.size() >= kMostDrives) {
      return add_note(spec_.ignored, "Drives beyond the 512th are left out.");
    }
    const std::string device = node.attribute("device").as_string("disk");
    if (device == "cdrom" || device == "floppy") return read_removable(node, device);
    if (device == "lun") {
      const std::string target = attribute(node.child("target"), "dev");
      return add_note(spec_.ignored, fmt::format("The drive {} is a device of the host that was "
                                                 "passed through and left out.",
                                                 quoted(target)));
    }
    read_disk(node);
  }

  void read_disk(xml_node node) {
    const xml_node target = node.child("target");
    DiskSpec disk;
    disk.id = attribute(target, "dev");
    disk.serial = node.child_value("serial");
    disk.read_only = static_cast<bool>(node.child("readonly"));
    disk.boot_order = small_number(attribute(node.child("boot"), "order").c_str(), kMostUnit);
    if (disk.boot_order == 0u) disk.boot_order.reset();
    read_format(node, disk);
    read_source(node, disk);
    note_extras(node, disk);
    disk.controller = place(node, disk.id, disk.unit);
    spec_.disks.push_back(std::move(disk));
  }

  static void read_format(xml_node node, DiskSpec& disk) {
    const std::string type = attribute(node.child("driver"), "type");
    disk.format = type == "aio" ? DiskFormat::raw : said_format(type);
  }

  void read_source(xml_node node, DiskSpec& disk) {
    const Medium medium = medium_of(node);
    if (!medium.problem.empty()) {
      return fail("disk-elsewhere",
                  fmt::format("Disk {} is no file: {}.", quoted(disk.id), medium.problem),
                  "Copy its content to a file and name that in the description.");
    }
    if (medium.file.empty()) {
      return fail("disk-file-unknown", fmt::format("Disk {} names no file.", quoted(disk.id)),
                  "Give it a <source>.");
    }
    disk.file = medium.file;
  }

  /// Bytes that are not the guest's are not served: the file is forgotten.
  void note_extras(xml_node node, DiskSpec& disk) {
    if (node.child("encryption") || node.child("source").child("encryption")) {
      fail("disk-encrypted", fmt::format("Disk {} is encrypted.", quoted(disk.id)),
           "Decrypt it with qemu-img convert first.");
      disk.file.reset();
    }
    if (node.child("source").child("slices")) {
      fail("disk-elsewhere",
           fmt::format("Disk {} is a slice of its file, which is not served.", quoted(disk.id)),
           "Copy the slice to a file of its own.");
      disk.file.reset();
    }
    if (node.child("transient")) {
      add_note(spec_.assumptions, fmt::format("Disk {} gave up what was written to it "
                                              "(transient); here it keeps it.",
                                              quoted(disk.id)));
    }
    for (const char* const part : {"iotune", "throttlefilters", "geometry", "mirror"}) {
      if (!node.child(part)) continue;
      add_note(spec_.ignored, fmt::format("{} of disk {} is left out.", part, quoted(disk.id)));
    }
    note_backing(node, disk);
  }

  /// The chain that libvirt saw; the files' own headers say it too, and those are what counts.
  void note_backing(xml_node node, const DiskSpec& disk) {
    std::size_t depth = 0;
    for (xml_node each = node.child("backingStore"); each.child("source");
         each = each.child("backingStore")) {
      if (++depth > 32) break;
    }
    if (depth == 0) return;
    add_note(spec_.assumptions,
             fmt::format("Disk {} has {} file{} behind it; what the files say of that counts.",
                         quoted(disk.id), depth, depth == 1 ? "" : "s"));
  }

  void fail(std::string code, std::string what, std::string fix) {
    machine_.unservable_disks.insert(spec_.disks.size());
    add_problem(spec_.problems,
                {std::move(code), Severity::warning, std::move(what), std::move(fix)});
  }

  void read_removable(xml_node node, const std::string& device) {
    RemovableSpec drive;
    drive.kind = device == "floppy" ? RemovableKind::floppy : RemovableKind::cdrom;
    const std::string name = attribute(node.child("target"), "dev");
    const Medium medium = medium_of(node);
    if (attribute(node, "type") == "file" && !medium.file.empty()) {
      drive.file = medium.file;
    } else if (!medium.file.empty() || !medium.problem.empty()) {
      add_note(spec_.ignored,
               fmt::format("The medium of drive {} is no file and left out.", quoted(name)));
    }
    if (drive.kind == RemovableKind::cdrom) {
      drive.controller = place(node, name, drive.unit);
    } else {
      drive.unit = name == "fdb" ? 1 : 0;
    }
    spec_.removables.push_back(std::move(drive));
  }

  /// bus='...' of the target; without it libvirt goes by the name.
  std::optional<ControllerKind> kind_of(const std::string& bus, const DeviceName& name,
                                        unsigned controller) {
    const std::string& prefix = name.prefix;
    if (bus == "ide" || (bus.empty() && prefix == "hd")) return ControllerKind::ide;
    if (bus == "scsi" || (bus.empty() && prefix == "sd")) {
      return scsi_kind(scsi_models_[controller]);
    }
    if (bus == "sata") return ControllerKind::sata;
    if (bus == "virtio" || (bus.empty() && prefix == "vd")) return ControllerKind::virtio_block;
    if (bus == "nvme") return ControllerKind::nvme;
    if (bus == "xen" || (bus.empty() && prefix == "xvd")) return ControllerKind::virtio_block;
    return std::nullopt;
  }

  static unsigned units_of(ControllerKind kind) {
    if (kind == ControllerKind::ide) return kIdeUnits;
    if (kind == ControllerKind::sata) return 6;
    return kMostUnit + 1;
  }

  /// <address type='drive'>, else by the letter of the target's name.
  std::optional<std::size_t> place(xml_node node, const std::string& dev, unsigned& unit) {
    const std::string bus = attribute(node.child("target"), "bus");
    const DeviceName name = parse_device_name(dev).value_or(DeviceName{});
    const xml_node address = node.child("address");
    const bool has_address = attribute(address, "type") == "drive";
    const auto part = [&](const char* key) {
      return has_address ? small_number(attribute(address, key).c_str(), kMostUnit).value_or(0) : 0;
    };
    const auto kind = kind_of(bus, name, part("controller"));
    if (!kind) {
      add_note(spec_.assumptions,
               fmt::format("The bus {} of drive {} is not known.", quoted(bus), quoted(dev)));
      return std::nullopt;
    }
    const unsigned most = units_of(*kind);
    unsigned number = has_address ? part("controller") : name.index / most;
    unsigned wanted = has_address ? part("unit") : name.index % most;
    if (has_address && *kind == ControllerKind::ide) number = 2 * part("controller") + part("bus");
    if (has_address && bus == "scsi" && part("target") > 0) wanted = part("target");
    if (bus == "xen") say_xen();
    const auto controller = places_.controller(*kind, number);
    if (controller) unit = places_.unit(*controller, wanted, dev);
    return controller;
  }

  void say_xen() {
    if (said_xen_) return;
    said_xen_ = true;
    add_note(spec_.assumptions, "Xen's own block devices are virtio ones here.");
  }

  xml_node devices_;
  DescribedMachine& machine_;
  MachineSpec& spec_;
  DrivePlaces places_;
  std::map<unsigned, std::string> scsi_models_;
  bool said_xen_ = false;
};

}  // namespace

void read_drives(xml_node devices, DescribedMachine& machine) {
  DriveReader(devices, machine).run();
}

}  // namespace v2vfs::inspect::libvirt_xml
