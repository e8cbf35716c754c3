// SPDX-License-Identifier: MIT
#include "inspect/source/vmx_storage.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "inspect/base/text.h"
#include "inspect/source/drive_places.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/source_name.h"
#include "inspect/source/vmx_devices.h"

namespace v2vfs::inspect::vmx {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;

enum class DriveType { disk, cdrom, passthrough, unknown };

/// deviceType; a drive without one is what its file is.
DriveType type_of(const std::string& said, std::string_view file) {
  static const std::map<std::string, DriveType> kTypes = {
      {"disk", DriveType::disk},
      {"plaindisk", DriveType::disk},
      {"rawdisk", DriveType::disk},
      {"scsi-harddisk", DriveType::disk},
      {"ata-harddisk", DriveType::disk},
      {"sata-harddisk", DriveType::disk},
      {"nvme-harddisk", DriveType::disk},
      {"cdrom-image", DriveType::cdrom},
      {"cdrom-raw", DriveType::cdrom},
      {"atapi-cdrom", DriveType::cdrom},
      {"scsi-passthru", DriveType::passthrough},
  };
  if (said.empty()) return has_suffix(file, ".iso") ? DriveType::cdrom : DriveType::disk;
  const auto known = kTypes.find(to_lower(said));
  return known == kTypes.end() ? DriveType::unknown : known->second;
}

bool is_scsi_word(const std::string& word, ControllerKind& kind) {
  if (word == "lsilogic" || word.empty()) {
    kind = ControllerKind::scsi_lsilogic;
  } else if (word == "lsisas1068") {
    kind = ControllerKind::scsi_lsisas1068;
  } else if (word == "pvscsi") {
    kind = ControllerKind::scsi_pvscsi;
  } else if (word == "buslogic") {
    kind = ControllerKind::scsi_buslogic;
  } else {
    return false;
  }
  return true;
}

/// What VMware puts there for "nothing".
bool is_no_file(const std::string& file) {
  const std::string lower = to_lower(file);
  return lower.empty() || lower == "auto detect" || lower == "emptybackingstring" ||
         lower == "vmware-null-remote-floppy" || lower == "vmware-null-remote-cdrom";
}

bool is_host_device(const std::string& file) {
  return file.starts_with("/dev/") || file.starts_with("/vmfs/devices/") ||
         file.starts_with("\\\\.\\");
}

class StorageReader {
 public:
  StorageReader(const Dictionary& vmx, DescribedMachine& machine)
      : vmx_(vmx), machine_(machine), spec_(machine.spec), places_(machine.spec) {}

  void run() {
    for (const char* const bus : {"scsi", "nvme", "sata", "ide"}) {
      read_empty_controllers(bus);
      for (const auto& [number, unit] : vmx_.places_of(bus)) read_drive(bus, number, unit);
    }
    for (const unsigned number : vmx_.numbers_of("floppy")) read_floppy(number);
    if (!vmx_.numbers_of("floppy").contains(0)) add_default_floppy();
    read_boot_order();
  }

 private:
  /// A controller without drives is hardware too. IDE has no key of its own.
  void read_empty_controllers(const std::string& bus) {
    for (const unsigned number : vmx_.numbers_of(bus)) {
      if (vmx_.flag(fmt::format("{}{}.present", bus, number), false)) make_controller(bus, number);
    }
  }

  /// nullopt where it is not there, which is said.
  std::optional<std::size_t> make_controller(const std::string& bus, unsigned number) {
    const std::string name = fmt::format("{}{}", bus, number);
    bool is_known = true;
    const ControllerKind kind = kind_of(bus, name, is_known);
    const std::size_t before = spec_.controllers.size();
    const auto controller = places_.controller(kind, number);
    if (!controller) {
      add_note(spec_.ignored, fmt::format("Controller {} and its drives are left out: there is no "
                                          "such number.",
                                          name));
    } else if (spec_.controllers.size() > before) {
      spec_.controllers[*controller].pci_slot = pci_slot(vmx_, name + ".pcislotnumber");
      if (!is_known) note_unknown_kind(name);
      note_shared(name);
    }
    return controller;
  }

  ControllerKind kind_of(const std::string& bus, const std::string& name, bool& is_known) {
    if (bus == "nvme") return ControllerKind::nvme;
    if (bus == "sata") return ControllerKind::sata;
    if (bus == "ide") return ControllerKind::ide;
    ControllerKind kind = ControllerKind::scsi_lsilogic;
    is_known = is_scsi_word(to_lower(vmx_.text(name + ".virtualdev")), kind);
    return kind;
  }

  void note_unknown_kind(const std::string& name) {
    add_note(spec_.assumptions,
             fmt::format("The controller {} is of the unknown kind {}; LSI Logic parallel is "
                         "assumed.",
                         name, quoted(vmx_.text(name + ".virtualdev"))));
  }

  void note_shared(const std::string& name) {
    const std::string shared = to_lower(vmx_.text(name + ".sharedbus"));
    if (shared.empty() || shared == "none") return;
    add_note(spec_.ignored, fmt::format("The bus of {} is shared with other machines ({}), which "
                                        "is left out.",
                                        name, clean_text(shared, 32)));
  }

  bool has_controller(const std::string& bus, unsigned number) {
    if (bus == "ide") return true;
    const std::string key = fmt::format("{}{}.present", bus, number);
    if (vmx_.flag(key, false)) return true;
    if (vmx_.find(key)) return false;
    add_note(
        spec_.assumptions,
        fmt::format("The controller {}{} is not described; it is taken to be there.", bus, number));
    return true;
  }

  void read_drive(const std::string& bus, unsigned number, unsigned unit) {
    const std::string name = fmt::format("{}{}:{}", bus, number, unit);
    const std::string file = vmx_.text(name + ".filename");
    const std::string said_type = vmx_.text(name + ".devicetype");
    if (!vmx_.flag(name + ".present", false)) {
      vmx_.use_all(name + ".");
      if (is_no_file(file)) return;
      return add_note(spec_.ignored, fmt::format("The drive {} ({}) is left out: its key `present` "
                                                 "is not TRUE.",
                                                 name, quoted(file)));
    }
    if (!has_controller(bus, number)) {
      return add_note(spec_.ignored,
                      fmt::format("The drive {} ({}) is left out: its controller is not present.",
                                  name, quoted(file)));
    }
    const DriveType type = type_of(said_type, file);
    if (type == DriveType::disk || type == DriveType::unknown) {
      note_unknown_type(name, said_type, type);
      return read_disk(bus, number, unit, name, file);
    }
    if (type == DriveType::cdrom) return read_cdrom(bus, number, unit, name, file);
    add_note(spec_.ignored, fmt::format("The drive {} is a device of the host ({}) and left out.",
                                        name, quoted(file)));
  }

  void note_unknown_type(const std::string& name, const std::string& said, DriveType type) {
    if (type == DriveType::disk) return;
    add_note(spec_.assumptions, fmt::format("The drive {} is of the unknown kind {}; a disk is "
                                            "assumed.",
                                            name, quoted(said)));
  }

  void read_disk(const std::string& bus, unsigned number, unsigned unit, const std::string& name,
                 const std::string& file) {
    if (spec_.disks.size() >= kMostDrives) {
      return add_note(spec_.ignored, "Disks beyond the 512th are left out.");
    }
    const auto controller = make_controller(bus, number);
    if (!controller) return;
    DiskSpec disk;
    disk.id = name;
    disk.controller = controller;
    disk.unit = places_.unit(*controller, unit, name);
    if (is_no_file(file)) {
      disk.format = DiskFormat::empty;
      fail("disk-file-unknown", fmt::format("Disk {} names no file.", name),
           "Give it a fileName in the .vmx.");
    } else {
      disk.file = file;
      if (has_suffix(file, ".vmdk")) disk.format = DiskFormat::vmdk;
    }
    read_mode(name);
    spec_.disks.push_back(std::move(disk));
  }

  void read_mode(const std::string& name) {
    const std::string mode = to_lower(vmx_.text(name + ".mode"));
    if (mode.find("nonpersistent") != std::string::npos || mode == "undoable") {
      add_note(spec_.assumptions,
               fmt::format("Disk {} gave up what was written to it ({}); here it keeps it.", name,
                           clean_text(mode, 64)));
    }
    const std::string redo = vmx_.text(name + ".redo");
    if (redo.empty()) return;
    add_problem(spec_.problems,
                {"disk-redo", Severity::warning,
                 fmt::format("Disk {} has a redo log, {}: what it holds is not in the disk.", name,
                             quoted(redo)),
                 "Commit or discard it in VMware first."});
  }

  void fail(std::string code, std::string what, std::string fix) {
    machine_.unservable_disks.insert(spec_.disks.size());
    add_problem(spec_.problems,
                {std::move(code), Severity::warning, std::move(what), std::move(fix)});
  }

  void read_cdrom(const std::string& bus, unsigned number, unsigned unit, const std::string& name,
                  const std::string& file) {
    if (spec_.removables.size() >= kMostDrives) return;
    const auto controller = make_controller(bus, number);
    if (!controller) return;
    RemovableSpec drive;
    drive.controller = controller;
    drive.unit = places_.unit(*controller, unit, name);
    const bool is_remote = vmx_.flag(name + ".clientdevice", false);
    const bool is_raw = to_lower(vmx_.text(name + ".devicetype")) != "cdrom-image";
    take_medium(name, file, is_remote || (is_raw && !has_suffix(file, ".iso")), drive);
    spec_.removables.push_back(std::move(drive));
  }

  /// A medium is an image in the source; a drive of the host has none here.
  void take_medium(const std::string& name, const std::string& file, bool is_device,
                   RemovableSpec& drive) {
    vmx_.use_all(name + ".");
    if (is_no_file(file)) return;
    if (!is_device && !is_host_device(file)) {
      drive.file = file;
      return;
    }
    add_note(spec_.ignored, fmt::format("The medium of {}, {}, is a device of the host; the drive "
                                        "is empty.",
                                        name, quoted(file)));
  }

  /// floppy0 is there unless it is said not to be; the others only if they are said to be.
  void read_floppy(unsigned number) {
    const std::string name = fmt::format("floppy{}", number);
    const std::string file = vmx_.text(name + ".filename");
    const std::string type = to_lower(vmx_.text(name + ".filetype"));
    const bool is_present = vmx_.flag(name + ".present", number == 0);
    const bool is_remote = vmx_.flag(name + ".clientdevice", false);
    vmx_.use_all(name + ".");
    if (!is_present || number > 1) return;
    RemovableSpec drive;
    drive.kind = RemovableKind::floppy;
    drive.unit = number;
    take_medium(name, file, is_remote || (!type.empty() && type != "file"), drive);
    spec_.removables.push_back(std::move(drive));
  }

  void add_default_floppy() {
    spec_.removables.push_back({RemovableKind::floppy, std::nullopt, std::nullopt, 0});
    add_note(spec_.assumptions,
             "There is no word of a floppy drive; VMware's default is an empty one.");
  }

  /// bios.hddOrder = "scsi0:1,scsi0:0": which disk the firmware takes for the first.
  void read_boot_order() {
    const std::string order = to_lower(vmx_.text("bios.hddorder"));
    unsigned next = 1;
    for (std::size_t at = 0; at < order.size();) {
      const std::size_t comma = std::min(order.find(',', at), order.size());
      const std::string_view name = trim(std::string_view(order).substr(at, comma - at));
      at = comma + 1;
      for (DiskSpec& disk : spec_.disks) {
        if (disk.id == name && !disk.boot_order) disk.boot_order = next++;
      }
    }
  }

  const Dictionary& vmx_;
  DescribedMachine& machine_;
  MachineSpec& spec_;
  DrivePlaces places_;
};

}  // namespace

void read_storage(const Dictionary& vmx, DescribedMachine& machine) {
  StorageReader(vmx, machine).run();
}

}  // namespace v2vfs::inspect::vmx
