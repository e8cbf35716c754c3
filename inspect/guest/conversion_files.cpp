// SPDX-License-Identifier: MIT
#include "inspect/guest/conversion_files.h"

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

/// Files that name devices, consoles, modules.
constexpr const char* kFiles[] = {
    "/etc/kernel/cmdline",
    "/etc/lvm/lvm.conf",
    "/etc/lvm/devices/system.devices",
    "/etc/multipath.conf",
    "/etc/mdadm.conf",
    "/etc/mdadm/mdadm.conf",
    "/etc/inittab",
    "/etc/securetty",
    "/etc/sysconfig/grub",
    "/etc/default/extlinux",
    "/etc/update-extlinux.conf",
    "/etc/default/u-boot",
    "/etc/uswsusp.conf",
    "/etc/modprobe.conf.local",
    "/etc/mkinitfs/mkinitfs.conf",
    "/etc/initramfs-tools/initramfs.conf",
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub/device.map",
    "/boot/grub2/device.map",
    "/boot/grub/grubenv",
    "/boot/grub2/grubenv",
    "/usr/share/initramfs-tools/modules.d/v2vfs",
    "/usr/local/sbin/v2vfs-firstboot",
    "/etc/systemd/system/v2vfs-firstboot.service",
};

struct Folder {
  const char* path;
  const char* suffix;
};

constexpr Folder kFolders[] = {
    {"/etc/default/grub.d", ".cfg"},
    {"/etc/dracut.conf.d", ".conf"},
    {"/etc/mkinitcpio.conf.d", ".conf"},
    {"/etc/initramfs-tools/conf.d", ""},
    {"/etc/systemd/system", ".mount"},
    {"/etc/systemd/system", ".swap"},
    {"/etc/init", ".conf"},
    {"/etc/init", ".override"},
    {"/etc/event.d", ""},
    {"/etc/apt/sources.list.d", ".list"},
    {"/etc/zypp/repos.d", ".repo"},
};

/// What counts by being there.
constexpr const char* kPaths[] = {
    "/.autorelabel",
    "/etc/blkid.tab",
    "/etc/blkid/blkid.tab",
    "/etc/lvm/cache/.cache",
    "/etc/udev/rules.d",
    "/etc/dracut.conf.d",
    "/etc/mkinitcpio.conf.d",
    "/etc/modprobe.d",
    "/etc/systemd/system",
    "/etc/init",
    "/usr/share/initramfs-tools/modules.d",
    "/usr/bin/Xorg",
};

/// Folders all of whose entries count: units, links of what starts, rules.
constexpr const char* kListed[] = {
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/getty.target.wants",
    "/etc/systemd/network",
    "/etc/udev/rules.d",
    "/etc/init.d",
};

class ConversionFiles {
 public:
  ConversionFiles(GuestReader& reader, GuestFacts& facts) : reader_(reader), facts_(facts) {}

  void find() {
    for (const char* const path : kFiles) reader_.config(path);
    for (const Folder& folder : kFolders) {
      std::size_t left = kNics;
      for (const std::string& path : reader_.files(folder.path, folder.suffix)) {
        if (left-- > 0) reader_.config(path);
      }
    }
    for (const char* const path : kPaths) {
      if (const auto stat = reader_.stat(path)) add({path, stat->kind, ""});
    }
    for (const char* const folder : kListed) list(folder, "");
    start_links();
    loaders();
  }

 private:
  void add(FoundPath found) {
    if (facts_.found.size() < kPathsFound) facts_.found.push_back(std::move(found));
  }

  void list(const std::string& folder, std::string_view start) {
    // A folder that is itself a link (/etc/init.d of Red Hat) is named by what it leads to.
    const auto real = reader_.resolve(folder);
    if (!real) return;
    for (const FileEntry& entry : reader_.list(folder)) {
      if (!entry.name.starts_with(start)) continue;
      add({*real + "/" + entry.name, entry.stat.kind, entry.target});
    }
  }

  void start_links() {
    for (const std::string parent : {"/etc", "/etc/rc.d", "/etc/init.d"}) {
      for (const char* const level : {"S", "1", "2", "3", "4", "5"}) {
        const std::string folder = parent + "/rc" + level + ".d";
        // Of "/etc/rc3.d -> rc.d/rc3.d" one is enough.
        if (reader_.resolve(folder) == folder) list(folder, "S");
      }
    }
  }

  /// EFI programs: ESP/EFI/VENDOR/NAME.efi, in whatever case.
  void loaders() {
    for (const std::string esp : {"/boot/efi", "/efi", "/boot"}) {
      for (const FileEntry& top : reader_.list(esp)) {
        if (!equals_ignoring_case(top.name, "EFI") || top.stat.kind != FileKind::directory)
          continue;
        vendors(esp + "/" + top.name);
      }
    }
  }

  void vendors(const std::string& efi) {
    for (const FileEntry& vendor : reader_.list(efi)) {
      if (vendor.stat.kind != FileKind::directory) continue;
      add({efi + "/" + vendor.name, FileKind::directory, ""});
      for (const FileEntry& file : reader_.list(efi + "/" + vendor.name)) {
        if (!to_lower(file.name).ends_with(".efi")) continue;
        add({efi + "/" + vendor.name + "/" + file.name, file.stat.kind, ""});
      }
    }
  }

  GuestReader& reader_;
  GuestFacts& facts_;
};

}  // namespace

void find_conversion_files(GuestReader& reader, GuestFacts& facts) {
  ConversionFiles(reader, facts).find();
}

}  // namespace v2vfs::inspect
