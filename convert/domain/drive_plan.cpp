// SPDX-License-Identifier: MIT
#include "convert/domain/drive_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "convert/domain/xml_chars.h"
#include "inspect/base/text.h"

// Places that QEMU 7.2 and libvirt 9.0 take, found by starting each
// (tests/integration/domain-libvirt.sh):
//   ide         one controller, 2 channels of 2, on `pc` only
//   sata        6 ports (ich9-ahci); a 7th is "Bus 'sata0.6' not found"
//   vmpvscsi    Linux's driver asks for targets 0 to 15
//   lsisas1068  8 ports; target 9 is a "bad scsi device id", 8 is the controller itself
// A unit is SCSI's target with LUN 0. BIOS and UEFI of QEMU look for a system on SCSI targets 0 to
// 6 only.

namespace v2vfs::convert {
namespace {

using inspect::ControllerKind;
using inspect::MachineSpec;

constexpr std::size_t kMostDrives = 128;
constexpr std::size_t kMostGroups = 16;
constexpr unsigned kMostFloppies = 2;
constexpr unsigned kFirmwareReach = 6;
constexpr unsigned kIdeSlots = 4;

struct Family {
  Bus bus;
  ScsiModel model;
  unsigned slots;
};

constexpr Family kIde{Bus::ide, {}, kIdeSlots};
constexpr Family kSata{Bus::sata, {}, 6};

Family family_of(ControllerKind kind, MachineType machine) {
  switch (kind) {
    case ControllerKind::ide:
      return machine == MachineType::pc ? kIde : kSata;
    case ControllerKind::scsi_lsisas1068:
      return {Bus::scsi, ScsiModel::lsisas1068, 8};
    case ControllerKind::scsi_pvscsi:
      return {Bus::scsi, ScsiModel::vmpvscsi, 16};
    case ControllerKind::virtio_scsi:
      return {Bus::scsi, ScsiModel::virtio_scsi, 64};
    case ControllerKind::virtio_block:
      return {Bus::virtio, {}, kMostDrives};
    case ControllerKind::sata:
    case ControllerKind::scsi_lsilogic:
    case ControllerKind::scsi_buslogic:
    case ControllerKind::nvme:
      return kSata;
  }
  return kSata;
}

const char* name_of(ControllerKind kind) {
  switch (kind) {
    case ControllerKind::ide:
      return "IDE";
    case ControllerKind::sata:
      return "SATA";
    case ControllerKind::scsi_lsilogic:
      return "LSI Logic parallel SCSI (53C1030)";
    case ControllerKind::scsi_lsisas1068:
      return "LSI Logic SAS";
    case ControllerKind::scsi_buslogic:
      return "BusLogic SCSI";
    case ControllerKind::scsi_pvscsi:
      return "VMware paravirtual SCSI";
    case ControllerKind::nvme:
      return "NVMe";
    case ControllerKind::virtio_scsi:
      return "virtio SCSI";
    case ControllerKind::virtio_block:
      return "virtio";
  }
  return "unknown";
}

constexpr std::array kPrefixes{"hd", "sd", "vd", "fd"};

std::size_t prefix_of(Bus bus) {
  switch (bus) {
    case Bus::ide:
      return 0;
    case Bus::sata:
    case Bus::scsi:
      return 1;
    case Bus::virtio:
      return 2;
    case Bus::fdc:
      return 3;
  }
  return 1;
}

/// a, b, ..., z, aa, ab, ...
std::string letters(unsigned number) {
  std::string out(1, static_cast<char>('a' + number % 26));
  return number < 26 ? out : letters(number / 26 - 1) + out;
}

bool is_ide(const MachineSpec& spec, const std::optional<std::size_t>& controller) {
  return controller && *controller < spec.controllers.size() &&
         spec.controllers[*controller].kind == ControllerKind::ide;
}

/// What QEMU and libvirt take (letters, digits, ".-_" and blanks), else none; a disk
/// of IDE or SATA shows 20 characters of it.
std::string usable_serial(const std::string& serial) {
  const bool is_usable =
      serial.size() <= 20 && std::all_of(serial.begin(), serial.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_.- ").find(c) != std::string_view::npos;
      });
  return is_usable ? serial : "";
}

/// A drive that waits for its place: an index into DrivePlan::drives and the unit that the source
/// gives.
struct Waiting {
  std::size_t drive = 0;
  std::uint64_t unit = 0;
};

/// Drives that hang together in the source: on one controller, or on the two channels of IDE.
struct Group {
  std::size_t key = 0;  // index of the source's controller
  Family family = kSata;
  std::vector<Waiting> drives;
};

/// Sorts by unit; true if the units can stay as they are.
bool sort_by_unit(Group& group) {
  auto& drives = group.drives;
  std::stable_sort(drives.begin(), drives.end(),
                   [](const Waiting& a, const Waiting& b) { return a.unit < b.unit; });
  const auto same = [](const Waiting& a, const Waiting& b) { return a.unit == b.unit; };
  const bool in_reach = drives.back().unit < group.family.slots;
  const bool bootable = group.family.bus != Bus::scsi || drives.front().unit <= kFirmwareReach;
  return in_reach && bootable &&
         std::adjacent_find(drives.begin(), drives.end(), same) == drives.end();
}

DriveAddress address_at(Bus bus, unsigned controller, unsigned slot) {
  if (bus == Bus::ide) return {0, slot / 2, 0, slot % 2};
  if (bus == Bus::scsi) return {controller, 0, slot, 0};
  return {controller, 0, 0, slot};
}

/// QEMU's mptsas1068 gives a drive's WWN as its SAS address, and Linux's mptsas passes over a
/// device that has none: the guest would wait for its root disk for ever
/// (tests/integration/boot-vapp.py). The first digit, NAA 3, says that the number is locally
/// assigned (SPC-4, NAA designator).
std::string wwn_at(const DriveAddress& address) {
  return fmt::format("3{:013x}{:02x}", address.controller + 1, address.target);
}

/// First takes all drives, in the order in which they count, into groups; then gives each its
/// place.
class Planner {
 public:
  Planner(const MachineSpec& spec, MachineType machine, const std::vector<std::string>& media)
      : spec_(spec), machine_(machine), media_(media) {}

  DrivePlan plan(const std::vector<DomainDisk>& paths) {
    take_disks(paths);
    take_removables();
    say_homeless();
    if (spec_.firmware == inspect::Firmware::uefi) let_uefi_boot();
    for (Group& group : groups_) place(group);
    place(homeless_);
    name_drives();
    order_boot();
    return std::move(plan_);
  }

 private:
  void take_disks(const std::vector<DomainDisk>& paths) {
    const auto& disks = spec_.disks;
    for (std::size_t i = 0; i < disks.size() && has_room("disk", disks.size() - i); ++i) {
      DomainDrive drive;
      drive.path = paths[i].path;
      drive.serial = usable_serial(disks[i].serial);
      take(std::move(drive), disks[i].controller, disks[i].unit);
    }
  }

  void take_removables() {
    const auto& all = spec_.removables;
    for (std::size_t i = 0; i < all.size() && has_room("CD-ROM or floppy", all.size() - i); ++i) {
      if (all[i].kind == inspect::RemovableKind::floppy) {
        take_floppy(medium(i));
      } else {
        DomainDrive drive;
        drive.kind = DriveKind::cdrom;
        drive.path = medium(i);
        take(std::move(drive), all[i].controller, all[i].unit);
      }
    }
  }

  /// The path of what is in a drive.
  std::string medium(std::size_t index) {
    if (index >= media_.size() || !spec_.removables[index].file) return "";
    const std::string& path = media_[index];
    if (path.starts_with('/') && is_xml_text(path)) return path;
    change("The medium {} is not in its drive: {}", clean_text(*spec_.removables[index].file),
           path.empty() ? "it is no file of its own; unpack it, and insert it by hand"
                        : "its path cannot stand in a domain");
    return "";
  }

  bool has_room(const char* what, std::size_t left) {
    if (plan_.drives.size() < kMostDrives) return true;
    change("Left out: {} {} drives, because a domain gets {} drives at most", left, what,
           kMostDrives);
    return false;
  }

  void take_floppy(std::string path) {
    if (floppies_ == kMostFloppies) return change("Left out: a floppy drive beyond the second");
    DomainDrive drive;
    drive.kind = DriveKind::floppy;
    drive.path = std::move(path);
    drive.bus = Bus::fdc;
    drive.address = DriveAddress{0, 0, 0, floppies_++};
    plan_.drives.push_back(std::move(drive));
  }

  void take(DomainDrive drive, const std::optional<std::size_t>& controller, unsigned unit) {
    const bool is_disk = drive.kind == DriveKind::disk;
    const std::size_t at = plan_.drives.size();
    plan_.drives.push_back(std::move(drive));
    Group* group = controller ? group_of(*controller, is_disk) : nullptr;
    if (group == nullptr) {
      homeless_.drives.push_back({at, homeless_.drives.size()});
    } else {
      group->drives.push_back({at, place_in_source(*controller, unit)});
    }
  }

  std::uint64_t place_in_source(std::size_t controller, unsigned unit) const {
    const inspect::ControllerSpec& source = spec_.controllers[controller];
    return source.kind == ControllerKind::ide ? 2ull * source.bus_number + unit : unit;
  }

  /// nullptr where the drive cannot hang on such a controller: none there, or a CD-ROM on virtio.
  Group* group_of(std::size_t controller, bool is_disk) {
    if (controller >= spec_.controllers.size()) return nullptr;
    const ControllerKind kind = spec_.controllers[controller].kind;
    if (kind == ControllerKind::virtio_block && !is_disk) return nullptr;
    // QEMU's IDE is one controller with two channels, which the source counts as two.
    const auto fits = [&](const Group& group) {
      return group.key == controller ||
             (kind == ControllerKind::ide && spec_.controllers[group.key].kind == kind);
    };
    const auto found = std::find_if(groups_.begin(), groups_.end(), fits);
    if (found != groups_.end()) return &*found;
    if (groups_.size() == kMostGroups) return nullptr;
    say_replaced(kind);
    return &groups_.emplace_back(Group{controller, family_of(kind, machine_), {}});
  }

  void say_replaced(ControllerKind kind) {
    const Family family = family_of(kind, machine_);
    if (family.bus != Bus::sata || kind == ControllerKind::sata) return;
    change("A controller of the kind {} is SATA here: {}", name_of(kind),
           kind == ControllerKind::ide ? "a q35 machine has no IDE" : "QEMU has none like it");
  }

  void say_homeless() {
    if (homeless_.drives.empty()) return;
    change("{} without a controller that can be told: on SATA",
           homeless_.drives.size() == 1 ? std::string("A drive")
                                        : fmt::format("{} drives", homeless_.drives.size()));
  }

  /// OVMF is built without drivers for pvscsi and lsisas1068 (upstream's default since 2022; tried
  /// with Debian 12's): the disks beside the one that boots go where it finds them. The controller
  /// stays.
  void let_uefi_boot() {
    const std::vector<std::size_t> order = boot_sequence();
    if (order.empty()) return;
    const auto boots = [&](const Waiting& waiting) { return waiting.drive == order.front(); };
    for (Group& group : groups_) {
      const bool is_known =
          group.family.bus != Bus::scsi || group.family.model == ScsiModel::virtio_scsi;
      if (is_known || std::none_of(group.drives.begin(), group.drives.end(), boots)) continue;
      change(
          "The drives on {} are on SATA, because UEFI has no driver for it: the guest needs AHCI",
          name_of(spec_.controllers[group.key].kind));
      plan_.controllers.push_back({Bus::scsi, next_scsi_++, group.family.model});
      group.family = kSata;
    }
  }

  void place(Group& group) {
    if (group.drives.empty()) return;
    if (!sort_by_unit(group)) renumber(group);
    const Family& family = group.family;
    for (const Waiting& waiting : group.drives) {
      if (family.bus == Bus::ide && waiting.unit >= kIdeSlots) {
        homeless_.drives.push_back({waiting.drive, homeless_.drives.size()});
        change("A drive is on SATA, because IDE has room for {}", kIdeSlots);
      } else {
        put(plan_.drives[waiting.drive], family, waiting.unit);
      }
    }
    add_controllers(family, group.drives.back().unit);
  }

  void renumber(Group& group) {
    std::uint64_t next = 0;
    for (Waiting& waiting : group.drives) waiting.unit = next++;
    if (&group == &homeless_) return;
    change("The units of the drives on {} are numbered from 0: as they are they do not fit",
           name_of(spec_.controllers[group.key].kind));
  }

  void put(DomainDrive& drive, const Family& family, std::uint64_t place) {
    drive.bus = family.bus;
    if (family.bus == Bus::virtio) return;
    const auto controller = static_cast<unsigned>(place / family.slots);
    const auto slot = static_cast<unsigned>(place % family.slots);
    drive.address = address_at(family.bus, next_index(family.bus) + controller, slot);
    if (family.bus == Bus::scsi && family.model == ScsiModel::lsisas1068) {
      drive.wwn = wwn_at(*drive.address);
    }
  }

  void add_controllers(const Family& family, std::uint64_t last_place) {
    if (family.bus != Bus::sata && family.bus != Bus::scsi) return;
    for (std::uint64_t i = 0; i <= last_place / family.slots; ++i) {
      plan_.controllers.push_back({family.bus, next_index(family.bus)++, family.model});
    }
  }

  unsigned& next_index(Bus bus) { return bus == Bus::scsi ? next_scsi_ : next_sata_; }

  void name_drives() {
    std::array<unsigned, 4> used{};  // per prefix
    for (DomainDrive& drive : plan_.drives) {
      const std::size_t prefix = prefix_of(drive.bus);
      drive.name = kPrefixes[prefix] + letters(used[prefix]++);
    }
  }

  /// Indices of the disks: the source's order first, then as they count, which is also what BIOS
  /// numbers 0x80, 0x81, ...
  std::vector<std::size_t> boot_sequence() const {
    std::vector<std::size_t> order(std::min(spec_.disks.size(), kMostDrives));
    std::iota(order.begin(), order.end(), 0u);
    const auto key = [&](std::size_t i) { return spec_.disks[i].boot_order.value_or(~0u); };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    return order;
  }

  void order_boot() {
    unsigned next = 1;
    for (const std::size_t disk : boot_sequence()) plan_.drives[disk].boot_order = next++;
  }

  template <typename... Args>
  void change(fmt::format_string<Args...> format, Args&&... args) {
    plan_.changes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  const MachineSpec& spec_;
  const MachineType machine_;
  const std::vector<std::string>& media_;
  DrivePlan plan_;
  std::vector<Group> groups_;
  Group homeless_;
  unsigned floppies_ = 0;
  unsigned next_scsi_ = 0;
  unsigned next_sata_ = 0;
};

bool has_disk_on_ide(const MachineSpec& spec) {
  return std::any_of(spec.disks.begin(), spec.disks.end(),
                     [&](const auto& disk) { return is_ide(spec, disk.controller); });
}

bool has_cdrom_on_ide(const MachineSpec& spec) {
  return std::any_of(spec.removables.begin(), spec.removables.end(), [&](const auto& drive) {
    return drive.kind == inspect::RemovableKind::cdrom && is_ide(spec, drive.controller);
  });
}

}  // namespace

MachineType choose_machine(const MachineSpec& spec) {
  const bool uefi = spec.firmware == inspect::Firmware::uefi;
  if (uefi && spec.secure_boot) return MachineType::q35;
  const bool needs_ide = has_disk_on_ide(spec) || (!uefi && has_cdrom_on_ide(spec));
  return needs_ide ? MachineType::pc : MachineType::q35;
}

DrivePlan plan_drives(const MachineSpec& spec, MachineType machine,
                      const std::vector<DomainDisk>& paths, const std::vector<std::string>& media) {
  return Planner(spec, machine, media).plan(paths);
}

}  // namespace v2vfs::convert
