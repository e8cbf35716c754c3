// SPDX-License-Identifier: MIT
#include "inspect/guest/roots.h"

#include <algorithm>
#include <array>
#include <optional>

#include "inspect/base/error.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::array kLinuxTypes = {"ext2", "ext3",     "ext4", "xfs",   "btrfs",
                                    "f2fs", "reiserfs", "jfs",  "nilfs2"};
constexpr std::array kOtherTypes = {"vfat", "ntfs",    "exfat",    "iso9660", "udf",
                                    "ufs",  "hfsplus", "squashfs", "erofs"};

template <typename List>
bool contains(const List& list, const std::string& type) {
  return std::find(list.begin(), list.end(), type) != list.end();
}

/// /etc with what every installed system has in it, and programs beside it. A /usr or /boot
/// filesystem, a chroot's parent and a disk of data lack one of them.
bool is_linux_root(GuestReader& reader) {
  if (!reader.is_directory("/etc")) return false;
  bool has_programs = false;
  for (const char* const folder : {"/bin", "/usr/bin", "/usr"}) {
    // A symlink into a /usr of its own filesystem leads nowhere here, and is a sign all the same.
    if (has_programs || reader.is_directory(folder)) has_programs = true;
  }
  if (!has_programs) return false;
  for (const char* const file : {"/etc/fstab", "/etc/os-release", "/etc/passwd",
                                 "/etc/redhat-release", "/etc/debian_version"}) {
    if (reader.is_file(file)) return true;
  }
  return false;
}

/// The folder that holds the registry; NT 4 and 2000 called it otherwise.
std::optional<std::string> windows_root(GuestReader& reader) {
  for (const char* const folder : {"/Windows", "/WINNT", "/WIN32", "/WTSRV"}) {
    const auto real = reader.resolve_case(folder);
    if (!real) continue;
    if (reader.resolve_case(*real + "/System32/config/SOFTWARE")) return real;
  }
  return std::nullopt;
}

class RootFinder {
 public:
  RootFinder(GuestReader& reader, const DiskFacts& disks) : reader_(reader), disks_(disks) {}

  std::vector<FoundRoot> find() {
    std::size_t tried = 0;
    for (const BlockDevice& device : disks_.storage.devices) {
      if (!is_mountable(device.type)) continue;
      if (++tried > kFilesystems) {
        reader_.note("more filesystems than are looked at");
        break;
      }
      if (device.type == "btrfs") {
        visit_btrfs(device);
      } else {
        visit(device, "");
      }
    }
    return std::move(roots_);
  }

 private:
  bool visit(const BlockDevice& device, const std::string& subvolume) {
    if (roots_.size() >= kRoots) return false;
    const std::size_t before = roots_.size();
    reader_.attempt(device.name, [&] {
      reader_.guest().mount({device.name, "/", subvolume, false});
      reader_.forget();
      look(device, subvolume);
    });
    reader_.guest().unmount_all();
    return roots_.size() > before;
  }

  void look(const BlockDevice& device, const std::string& subvolume) {
    if (contains(kLinuxTypes, device.type) && is_linux_root(reader_)) {
      roots_.push_back({RootKind::linux_root, device.name, subvolume, ""});
    } else if (device.type == "ntfs" || device.type == "vfat") {
      if (const auto folder = windows_root(reader_)) {
        roots_.push_back({RootKind::windows_root, device.name, subvolume, *folder});
      }
    }
  }

  const std::vector<BtrfsSubvolume>& subvolumes(const std::string& device) const {
    static const std::vector<BtrfsSubvolume> none;
    for (const BtrfsFacts& btrfs : disks_.btrfs) {
      if (btrfs.device == device) return btrfs.subvolumes;
    }
    return none;
  }

  /// The default subvolume, which is what a kernel without rootflags mounts, then the others.
  void visit_btrfs(const BlockDevice& device) {
    if (is_later_member(device)) return;
    const bool default_is_root = visit(device, "");
    std::size_t tried = 0;
    for (const BtrfsSubvolume& each : subvolumes(device.name)) {
      const bool inside_snapshots = each.path.find(".snapshots") != std::string::npos;
      if (each.is_snapshot || each.is_default || each.path.empty() || inside_snapshots) continue;
      // The top level shows its subvolumes as folders: what a root has inside is no other root.
      if (default_is_root && each.parent_id > 5) continue;
      if (++tried > kSubvolumesTried) {
        reader_.note(device.name + " has more subvolumes than are looked at");
        break;
      }
      visit(device, each.path);
    }
  }

  /// A btrfs of several devices has one UUID: only the first is visited.
  bool is_later_member(const BlockDevice& device) const {
    for (const BlockDevice& each : disks_.storage.devices) {
      if (each.name == device.name) return false;
      if (each.type == "btrfs" && !each.uuid.empty() && each.uuid == device.uuid) return true;
    }
    return false;
  }

  GuestReader& reader_;
  const DiskFacts& disks_;
  std::vector<FoundRoot> roots_;
};

}  // namespace

bool is_mountable(const std::string& type) {
  return contains(kLinuxTypes, type) || contains(kOtherTypes, type);
}

std::vector<FoundRoot> find_roots(GuestReader& reader, const DiskFacts& disks) {
  return RootFinder(reader, disks).find();
}

}  // namespace v2vfs::inspect
