// SPDX-License-Identifier: MIT
#include "inspect/guest/inspect_guest.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/device_names.h"
#include "inspect/guest/filesystems_in_use.h"
#include "inspect/guest/fragile_devices.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/guest_reader.h"
#include "inspect/guest/linux_facts.h"
#include "inspect/guest/mount_plan.h"
#include "inspect/guest/osinfo.h"
#include "inspect/guest/readiness.h"
#include "inspect/guest/roots.h"
#include "inspect/guest/text_lines.h"
#include "inspect/guest/unlock.h"
#include "inspect/guest/windows_facts.h"

namespace v2vfs::inspect {
namespace {

constexpr const char* kEspType = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
constexpr const char* kBiosBootType = "21686148-6449-6e6f-744e-656564454649";
constexpr unsigned kMbrEspType = 0xef;

/// A partition for GRUB's own core says BIOS, whatever else there is; an ESP says UEFI.
void find_firmware(DiskFacts& disks) {
  bool bios_boot = false;
  for (const PartitionEntry& entry : disks.storage.partitions) {
    const bool esp = equals_ignoring_case(entry.gpt_type, kEspType) || entry.mbr_id == kMbrEspType;
    if (esp && disks.esp.empty()) disks.esp = entry.device;
    if (equals_ignoring_case(entry.gpt_type, kBiosBootType)) bios_boot = true;
  }
  if (disks.storage.partitions.empty()) return;
  disks.firmware = disks.esp.empty() || bios_boot ? Firmware::bios : Firmware::uefi;
}

DiskFacts find_disks(Guest& guest, GuestReader& reader, const InspectOptions& options) {
  DiskFacts disks;
  disks.luks = unlock_containers(guest, options.keys, options.memory_mib);
  disks.storage = guest.storage();
  for (const BlockDevice& device : disks.storage.devices) {
    if (device.type != "btrfs") continue;
    reader.attempt(device.name, [&] {
      disks.btrfs.push_back({device.name, guest.btrfs_subvolumes(device.name)});
    });
  }
  find_firmware(disks);
  disks.left = filesystems_left(guest, disks.storage);
  return disks;
}

class Inspector {
 public:
  Inspector(Guest& guest, const InspectOptions& options)
      : guest_(guest), options_(options), known_osinfo_(osinfo_names(options.osinfo_folder)) {}

  GuestInspection run() {
    guest_.unmount_all();
    GuestReader reader(guest_);
    found_.disks = find_disks(guest_, reader, options_);
    for (const FoundRoot& root : find_roots(reader, found_.disks)) inspect_root(root);
    const std::vector<std::string> notes = reader.take_notes();
    for (GuestFacts& facts : found_.guests) {
      facts.notes.insert(facts.notes.begin(), notes.begin(), notes.end());
    }
    choose();
    found_.readiness = readiness_of(found_);
    return std::move(found_);
  }

 private:
  void inspect_root(const FoundRoot& root) {
    GuestReader reader(guest_);
    GuestFacts facts;
    facts.root = root.device;
    facts.subvolume = root.subvolume;
    try {
      root.kind == RootKind::linux_root ? inspect_linux(reader, facts)
                                        : inspect_windows(reader, root, facts);
    } catch (const Error&) {
      unmount_quietly();
      throw;
    }
    guest_.unmount_all();
    const WindowsFacts* const windows = facts.windows ? &*facts.windows : nullptr;
    facts.osinfo = osinfo_id(facts.os, windows);
    facts.osinfo_known = nearest_osinfo(facts.osinfo, facts.os, known_osinfo_);
    facts.config = reader.take_config();
    facts.notes = reader.take_notes();
    found_.guests.push_back(std::move(facts));
  }

  void unmount_quietly() {
    try {
      guest_.unmount_all();
    } catch (const Error&) {
      // The reader has ended; the first error says it.
    }
  }

  void inspect_linux(GuestReader& reader, GuestFacts& facts) {
    guest_.mount({facts.root, "/", facts.subvolume, false});
    const auto fstab = parse_fstab(reader.config("/etc/fstab").value_or(""));
    const auto crypttab = parse_crypttab(reader.config("/etc/crypttab").value_or(""));
    DeviceNames names(found_.disks.storage);
    names.set_root(facts.root);
    names.set_crypttab(crypttab);
    names.set_arrays(read_arrays(reader));
    MountPlan plan = plan_mounts(facts.root, facts.subvolume, fstab, names, found_.disks);
    facts.mountpoints = std::move(plan.mountpoints);
    mount_others(reader, plan.mounts, facts);
    facts.fragile_devices = fragile_devices(fstab, crypttab, names);
    collect_linux(reader,
                  {found_.disks, names, fstab, options_.open_initrds, options_.list_applications},
                  facts);
    add_fragile_words(reader, names, facts);
  }

  /// Of the boot loader's texts and of what tells an initramfs where to resume from.
  static void add_fragile_words(GuestReader& reader, const DeviceNames& names, GuestFacts& facts) {
    std::set<std::string> files = {"/etc/kernel/cmdline", facts.bootloader.defaults_path};
    if (facts.bootloader.kind != "uki") {
      for (const BootEntry& entry : facts.bootloader.entries) files.insert(entry.file);
    }
    for (const std::string& path : reader.files("/etc/initramfs-tools/conf.d", "")) {
      files.insert(path);
    }
    files.erase("");
    for (const std::string& file : files) {
      const auto found = fragile_words(file, reader.config(file).value_or(""), names);
      facts.fragile_devices.insert(facts.fragile_devices.end(), found.begin(), found.end());
    }
  }

  std::vector<MdArrayEntry> read_arrays(GuestReader& reader) {
    for (const char* const path : {"/etc/mdadm/mdadm.conf", "/etc/mdadm.conf"}) {
      if (const auto text = reader.config(path)) return parse_mdadm_conf(*text);
    }
    return {};
  }

  /// A mountpoint that fails is left out of the tree, with what lies below it still tried.
  void mount_others(GuestReader& reader, const std::vector<GuestMount>& mounts, GuestFacts& facts) {
    for (const GuestMount& mount : mounts) {
      bool mounted = mount.mountpoint == "/";
      if (!mounted) {
        reader.attempt("mounting " + mount.device + " on " + mount.mountpoint, [&] {
          guest_.mount(mount);
          mounted = true;
        });
      }
      reader.forget();
      if (mounted) {
        facts.mount_plan.push_back(mount);
        continue;
      }
      reader.note(mount.device + " could not be mounted on " + mount.mountpoint);
      for (MountpointFacts& point : facts.mountpoints) {
        if (point.path == mount.mountpoint) point.mounted = false;
      }
    }
  }

  void inspect_windows(GuestReader& reader, const FoundRoot& root, GuestFacts& facts) {
    const GuestMount mount{facts.root, "/", "", false};
    guest_.mount(mount);
    facts.mount_plan.push_back(mount);
    const DeviceNames names(found_.disks.storage);
    MountPlan plan = plan_mounts(facts.root, "", {}, names, found_.disks);
    facts.mountpoints = std::move(plan.mountpoints);
    collect_filesystems(reader, found_.disks, facts);
    collect_windows(reader, root.systemroot, found_.disks, options_.list_applications, facts);
  }

  bool is_meant(const GuestFacts& facts, const DeviceNames& names) const {
    const std::string& wanted = options_.root;
    if (wanted == facts.root + ":" + facts.subvolume) return true;
    if (!facts.subvolume.empty() && wanted == facts.subvolume) return true;
    return wanted == facts.root || names.resolve(wanted) == facts.root;
  }

  /// The one asked for; else the only one; else the one that a boot menu's default entry starts;
  /// else the first.
  void choose() {
    const DeviceNames names(found_.disks.storage);
    if (!options_.root.empty()) {
      for (std::size_t i = 0; i < found_.guests.size() && !found_.chosen; ++i) {
        if (is_meant(found_.guests[i], names)) found_.chosen = i;
      }
      if (!found_.chosen && !found_.guests.empty()) throw no_such_root();
      return;
    }
    if (found_.guests.empty()) return;
    found_.chosen = booted_root(names).value_or(0);
  }

  Error no_such_root() const {
    std::string roots;
    for (const GuestFacts& facts : found_.guests) {
      roots += (roots.empty() ? "" : ", ") + clean_text(facts.root);
      if (!facts.subvolume.empty()) roots += ":" + clean_text(facts.subvolume);
    }
    return Error(EINVAL, "root={} is none of the roots that were found: {}",
                 clean_text(options_.root), roots);
  }

  std::optional<std::size_t> booted_root(const DeviceNames& names) const {
    for (const GuestFacts& facts : found_.guests) {
      const BootloaderFacts& loader = facts.bootloader;
      if (!loader.default_entry) continue;
      for (const std::string_view word : words_of(loader.entries[*loader.default_entry].options)) {
        if (!word.starts_with("root=")) continue;
        const auto device = names.resolve(word.substr(5));
        for (std::size_t i = 0; device && i < found_.guests.size(); ++i) {
          if (found_.guests[i].root == *device) return i;
        }
      }
    }
    return std::nullopt;
  }

  Guest& guest_;
  const InspectOptions& options_;
  std::vector<std::string> known_osinfo_;
  GuestInspection found_;
};

}  // namespace

GuestInspection inspect_guest(Guest& guest, const InspectOptions& options) {
  return Inspector(guest, options).run();
}

}  // namespace v2vfs::inspect
