// SPDX-License-Identifier: MIT
#include "inspect/source/xl_config.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <optional>
#include <set>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/drive_places.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/source_name.h"
#include "inspect/source/spec_words.h"
#include "inspect/source/xl_disk.h"
#include "inspect/source/xl_syntax.h"

namespace v2vfs::inspect {
namespace xl {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;

constexpr std::size_t kMostNics = 64;
constexpr unsigned kIdeDisks = 4;
constexpr std::uint64_t kMiB = 1 << 20;

/// Keys that say nothing of the machine itself: left out without a word.
constexpr std::array<std::string_view, 21> kPlainKeys = {"on_poweroff",
                                                         "on_reboot",
                                                         "on_crash",
                                                         "on_watchdog",
                                                         "on_soft_reset",
                                                         "pae",
                                                         "acpi",
                                                         "apic",
                                                         "hap",
                                                         "device_model",
                                                         "device_model_version",
                                                         "device_model_override",
                                                         "vncunused",
                                                         "vnclisten",
                                                         "vncpasswd",
                                                         "vncconsole",
                                                         "vncdisplay",
                                                         "sdl",
                                                         "opengl",
                                                         "stdvga"};

NicModel model_of(const std::string& word) {
  static const std::map<std::string, NicModel> kModels = {
      {"rtl8139", NicModel::rtl8139},       {"e1000", NicModel::e1000},
      {"e1000e", NicModel::e1000e},         {"pcnet", NicModel::pcnet32},
      {"virtio", NicModel::virtio},         {"virtio-net", NicModel::virtio},
      {"virtio-net-pci", NicModel::virtio}, {"vmxnet3", NicModel::vmxnet3}};
  const auto known = kModels.find(to_lower(word));
  return known == kModels.end() ? NicModel::unknown : known->second;
}

class MachineReader {
 public:
  MachineReader(std::string_view text, std::string_view file)
      : config_(parse_config(text, file)),
        file_(file),
        spec_(machine_.spec),
        places_(machine_.spec) {}

  DescribedMachine run() {
    if (config_.values.empty()) {
      throw Error(EINVAL, "{}: it is no configuration file of Xen: it is empty", clean_text(file_));
    }
    spec_.source_kind = "xen";
    for (const std::string& sentence : config_.assumptions) add_note(spec_.assumptions, sentence);
    read_identity();
    read_type();
    read_size();
    read_firmware();
    read_outside_boot();
    read_disks();
    read_nics();
    read_serials();
    note_rest();
    sort_disks(machine_);
    return std::move(machine_);
  }

 private:
  const Value* find(const std::string& key) {
    const auto found = config_.values.find(key);
    if (found == config_.values.end()) return nullptr;
    used_.insert(key);
    return &found->second;
  }

  std::string text(const std::string& key) {
    const Value* const value = find(key);
    return value && value->kind != Value::Kind::list ? value->text : "";
  }

  std::optional<std::uint64_t> number(const std::string& key) {
    return ovf::parse_count(text(key));
  }

  bool flag(const std::string& key) { return ovf::parse_flag(text(key)); }

  /// The texts of a list; a single text is a list of one.
  std::vector<std::string> texts(const std::string& key) {
    std::vector<std::string> found;
    const Value* const value = find(key);
    if (!value) return found;
    if (value->kind != Value::Kind::list) return {value->text};
    for (const Value& item : value->items) {
      if (item.kind != Value::Kind::list) found.push_back(item.text);
    }
    return found;
  }

  void read_identity() {
    spec_.name = text("name");
    if (trim(spec_.name).empty()) {
      spec_.name = file_part(file_);
      add_note(spec_.assumptions, "The machine has no name; the file's name is used.");
    }
    spec_.id = spec_.name;
    const std::string uuid = text("uuid");
    spec_.uuid = ovf::parse_uuid(uuid);
    if (!uuid.empty() && !spec_.uuid) {
      add_note(spec_.assumptions,
               fmt::format("The UUID {} is none; another is used.", quoted(uuid)));
    }
    if (find("localtime")) spec_.localtime = flag("localtime");
  }

  void read_type() {
    const std::string type = to_lower(text("type"));
    const std::string builder = to_lower(text("builder"));
    if (type == "hvm" || (type.empty() && (builder == "hvm" || builder == "vmx"))) return;
    if (type == "pvh" || flag("pvh")) {
      spec_.guest_type = GuestType::pvh;
    } else {
      spec_.guest_type = GuestType::pv;
    }
    if (type.empty() || type == "pv" || type == "pvh") return;
    add_note(spec_.assumptions,
             fmt::format("The type {} is not known; pv is assumed.", quoted(type)));
  }

  bool is_hvm() const { return spec_.guest_type == GuestType::hvm; }

  /// `memory` is what the guest starts with, `maxmem` what it may grow to; both in MiB. `vcpus`
  /// are running at the start, `maxvcpus` are there.
  void read_size() {
    const auto memory = number("memory");
    const auto most = number("maxmem");
    const auto cpus = number("vcpus");
    const auto most_cpus = number("maxvcpus");
    const Checked bytes = checked_mul(memory.value_or(most.value_or(0)), kMiB);
    settle_size(bytes.value_or(kMostMemory + 1), cpus.value_or(most_cpus.value_or(1)), 0, spec_);
    if (memory && most && *most > *memory) {
      add_note(spec_.ignored, fmt::format("The memory may grow to {} MiB (maxmem), which is left "
                                          "out: it has {} MiB.",
                                          *most, *memory));
    }
    if (cpus && most_cpus && *most_cpus > *cpus) {
      add_note(spec_.ignored, fmt::format("There may be {} CPUs (maxvcpus), which is left out: it "
                                          "has {}.",
                                          *most_cpus, *cpus));
    }
  }

  void read_firmware() {
    const std::string bios = to_lower(text("bios"));
    const std::string firmware = to_lower(text("firmware"));
    const std::string path = text("bios_path_override");
    const bool is_uefi = bios == "ovmf" || firmware == "ovmf" || firmware == "uefi";
    spec_.firmware = is_uefi ? Firmware::uefi : Firmware::bios;
    if (!is_hvm() && !is_uefi) spec_.firmware = Firmware::unknown;
    for (const std::string& word : {bios, firmware}) {
      if (word.empty() || is_uefi || word == "seabios" || word == "rombios" || word == "bios") {
        continue;
      }
      add_note(spec_.assumptions,
               fmt::format("The firmware {} is not known; BIOS is assumed.", quoted(word)));
    }
    if (!path.empty()) {
      add_note(spec_.ignored, fmt::format("The firmware's file {} is left out.", quoted(path)));
    }
    if (!text("boot").empty()) {
      const std::string order = text("boot");
      if (order.find('c') != 0 && order != "d") {
        add_note(spec_.ignored, fmt::format("The boot order {} is left out: the disks come first.",
                                            quoted(order)));
      }
    }
  }

  /// With HVM `kernel` is the loader of old Xen unless a ramdisk or a command line is there too.
  void read_outside_boot() {
    OutsideBoot boot;
    boot.bootloader = text("bootloader");
    boot.kernel = text("kernel");
    boot.initrd = text("ramdisk");
    boot.cmdline = text("cmdline");
    const std::string root = text("root");
    const std::string extra = text("extra");
    if (boot.cmdline.empty()) {
      if (!root.empty()) boot.cmdline = "root=" + root;
      if (!extra.empty()) boot.cmdline += (boot.cmdline.empty() ? "" : " ") + extra;
    } else if (!root.empty() || !extra.empty()) {
      add_note(spec_.ignored, "`root` and `extra` are left out, as `cmdline` is given.");
    }
    const std::string_view kernel = file_part(boot.kernel);
    const bool is_loader = kernel == "hvmloader" || kernel == "vmxloader";
    if (is_hvm() && (is_loader || (boot.kernel.empty() && boot.bootloader.empty()))) return;
    if (boot.kernel.empty() && boot.bootloader.empty()) return say_no_boot();
    if (boot.bootloader.empty() && !boot.kernel.empty()) say_kernel(boot.kernel);
    spec_.outside_boot = std::move(boot);
  }

  void say_no_boot() {
    if (text("firmware").empty()) {
      add_note(spec_.assumptions,
               "Neither a kernel nor a boot loader is named; the disk is taken to have its own.");
    }
  }

  void say_kernel(const std::string& kernel) {
    add_problem(spec_.problems,
                {"boot-outside", Severity::info,
                 fmt::format("The machine starts a kernel that lies outside its disks, {}.",
                             quoted(kernel)),
                 "See that the disk has a kernel and a boot loader of its own."});
  }

  void read_disks() {
    for (const std::string& each : texts("disk")) {
      if (spec_.disks.size() + spec_.removables.size() >= kMostDrives) {
        return add_note(spec_.ignored, "Drives beyond the 512th are left out.");
      }
      const DiskEntry entry = parse_disk(each);
      for (const std::string& word : entry.unknown) {
        add_note(spec_.ignored,
                 fmt::format("{} of disk {} is left out.", quoted(word), quoted(entry.vdev)));
      }
      if (entry.is_cdrom) {
        read_cdrom(entry);
      } else {
        read_disk(entry, each);
      }
    }
    for (const char* const key : {"cdrom", "fda", "fdb"}) {  // xm
      const std::string file = text(key);
      if (file.empty()) continue;
      RemovableSpec drive;
      drive.kind = key[0] == 'c' ? RemovableKind::cdrom : RemovableKind::floppy;
      drive.file = file;
      drive.unit = std::string_view(key) == "fdb" ? 1 : 0;
      spec_.removables.push_back(std::move(drive));
    }
  }

  struct Seat {
    ControllerKind kind;
    unsigned bus;
    unsigned unit;
  };

  /// HVM shows xvda to xvdd as IDE disks too, until the guest's drivers take them over.
  Seat seat_of(const DeviceName& name) const {
    const bool is_ide = name.prefix == "hd" || (is_hvm() && name.prefix == "xvd");
    if (is_ide && name.index < kIdeDisks) {
      return {ControllerKind::ide, name.index / 2, name.index % 2};
    }
    if (name.prefix == "sd" && is_hvm()) return {ControllerKind::scsi_lsilogic, 0, name.index};
    return {ControllerKind::virtio_block, 0, name.index};
  }

  std::optional<std::size_t> place(const std::string& vdev, unsigned& unit) {
    const std::optional<DeviceName> name = parse_device_name(vdev);
    if (!name) {
      add_note(spec_.assumptions,
               fmt::format("The disk {} names no place that is known.", quoted(vdev)));
      return std::nullopt;
    }
    const Seat seat = seat_of(*name);
    const auto controller = places_.controller(seat.kind, seat.bus);
    if (!controller) return std::nullopt;
    if (name->partition == 0) {
      unit = places_.unit(*controller, seat.unit, vdev);
    } else {
      unit = places_.free_unit(*controller);
      add_note(spec_.assumptions,
               fmt::format("{} is a partition to the guest; here it is a disk of its own.",
                           quoted(vdev)));
    }
    if (seat.kind == ControllerKind::virtio_block && !said_virtio_) {
      said_virtio_ = true;
      add_note(spec_.assumptions, "Xen's own block devices are virtio ones here.");
    }
    return controller;
  }

  void read_cdrom(const DiskEntry& entry) {
    RemovableSpec drive;
    const std::optional<DeviceName> name = parse_device_name(entry.vdev);
    if (name && name->index < kIdeDisks) {
      drive.controller = places_.controller(ControllerKind::ide, name->index / 2);
      drive.unit = places_.unit(*drive.controller, name->index % 2, entry.vdev);
    }
    if (entry.is_device) {
      add_note(spec_.ignored, fmt::format("The medium of drive {}, {}, is a device of the host; "
                                          "the drive is empty.",
                                          quoted(entry.vdev), quoted(entry.target)));
    } else if (!entry.target.empty()) {
      drive.file = entry.target;
    }
    spec_.removables.push_back(std::move(drive));
  }

  void read_disk(const DiskEntry& entry, const std::string& whole) {
    DiskSpec disk;
    disk.id = entry.vdev.empty() ? clean_text(whole, 64) : entry.vdev;
    disk.read_only = entry.is_read_only;
    disk.format = said_format(entry.format);
    if (entry.target.empty()) {
      fail("disk-file-unknown", fmt::format("Disk {} names no file.", quoted(disk.id)),
           "Give it a target.");
    } else if (!entry.script.empty()) {
      fail("disk-elsewhere",
           fmt::format("Disk {} is no file: {} makes it from {}.", quoted(disk.id),
                       quoted(entry.script), quoted(entry.target)),
           "Copy its content to a file beside the configuration and name that.");
    } else {
      disk.file = entry.target;
    }
    disk.controller = place(entry.vdev, disk.unit);
    spec_.disks.push_back(std::move(disk));
  }

  void fail(std::string code, std::string what, std::string fix) {
    machine_.unservable_disks.insert(spec_.disks.size());
    add_problem(spec_.problems,
                {std::move(code), Severity::warning, std::move(what), std::move(fix)});
  }

  void read_nics() {
    for (const std::string& each : texts("vif")) {
      if (spec_.nics.size() >= kMostNics) {
        return add_note(spec_.ignored, "Network adapters beyond the 64th are left out.");
      }
      spec_.nics.push_back(read_nic(each));
    }
  }

  NicSpec read_nic(std::string_view text) {
    NicSpec nic;
    std::string type;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      const std::string_view part = trim(text.substr(at, comma - at));
      at = comma + 1;
      const std::size_t equals = std::min(part.find('='), part.size());
      const std::string key = to_lower(trim(part.substr(0, equals)));
      const std::string value(trim(part.substr(std::min(equals + 1, part.size()))));
      if (key == "mac") read_mac(value, nic);
      if (key == "bridge") nic.network = value;
      if (key == "model") nic.source_model = value;
      if (key == "type") type = value;
    }
    settle_model(type, nic);
    return nic;
  }

  void read_mac(const std::string& text, NicSpec& nic) {
    nic.mac = ovf::parse_mac(text);
    if (nic.mac) return;
    add_note(spec_.assumptions,
             fmt::format("The address {} is no MAC address and left out.", quoted(text)));
  }

  /// An HVM guest sees an emulated card, by default an rtl8139; a PV guest sees Xen's own, which
  /// type=vif or netfront says for HVM too.
  void settle_model(const std::string& type, NicSpec& nic) {
    if (!is_hvm() || type == "vif" || type == "netfront" || nic.source_model == "netfront") {
      nic.source_model = "netfront";
      return;
    }
    if (nic.source_model.empty()) nic.source_model = "rtl8139";
    nic.model = model_of(nic.source_model);
    if (nic.model != NicModel::unknown) return;
    add_note(spec_.assumptions,
             fmt::format("The network adapter's model {} is not known.", quoted(nic.source_model)));
  }

  void read_serials() {
    for (const std::string& each : texts("serial")) {
      if (each.empty() || each == "none" || spec_.serials.size() >= 32) continue;
      const auto port = static_cast<unsigned>(spec_.serials.size());
      const std::size_t colon = each.find(':');
      const bool has_kind = colon != std::string::npos;
      spec_.serials.push_back(
          {port, each.substr(0, colon), has_kind ? each.substr(colon + 1) : ""});
      if (each == "pty") continue;
      add_note(spec_.ignored, fmt::format("Where serial port {} led to ({}) is left out: it is a "
                                          "pseudo terminal here.",
                                          port, quoted(each)));
    }
  }

  void note_rest() {
    for (const std::string_view key : kPlainKeys) used_.insert(std::string(key));
    std::string list;
    for (const auto& [key, value] : config_.values) {
      if (used_.contains(key) || list.size() > 1500) continue;
      list += (list.empty() ? "" : ", ") + clean_text(key, 64);
    }
    if (!list.empty())
      add_note(spec_.ignored, fmt::format("Settings that are left out: {}.", list));
  }

  const Config config_;
  const std::string_view file_;
  DescribedMachine machine_;
  MachineSpec& spec_;
  DrivePlaces places_;
  std::set<std::string> used_;
  bool said_virtio_ = false;
};

}  // namespace
}  // namespace xl

DescribedMachine parse_xen_config(std::string_view text, std::string_view file) {
  return xl::MachineReader(text, file).run();
}

}  // namespace v2vfs::inspect
