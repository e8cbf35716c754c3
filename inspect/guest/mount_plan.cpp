// SPDX-License-Identifier: MIT
#include "inspect/guest/mount_plan.h"

#include <algorithm>
#include <charconv>

#include "inspect/guest/limits.h"
#include "inspect/guest/roots.h"

namespace v2vfs::inspect {
namespace {

const std::vector<BtrfsSubvolume>& subvolumes(const DiskFacts& disks, const std::string& device) {
  static const std::vector<BtrfsSubvolume> none;
  for (const BtrfsFacts& btrfs : disks.btrfs) {
    if (btrfs.device == device) return btrfs.subvolumes;
  }
  return none;
}

std::string subvolume_of(const FstabEntry& entry, const DiskFacts& disks,
                         const std::string& device) {
  if (const auto name = entry.option("subvol")) {
    const std::size_t start = name->find_first_not_of('/');
    return start == std::string::npos ? "" : name->substr(start);
  }
  const auto id = entry.option("subvolid");
  if (!id) return "";
  std::uint64_t number = 0;
  std::from_chars(id->data(), id->data() + id->size(), number);
  for (const BtrfsSubvolume& each : subvolumes(disks, device)) {
    if (each.id == number) return each.path;
  }
  return "";
}

MountpointFacts mountpoint_of(const std::string& path, const std::string& device,
                              const DeviceNames& names) {
  MountpointFacts facts;
  facts.path = path;
  facts.device = device;
  if (const BlockDevice* const found = names.find(device)) {
    facts.uuid = found->uuid;
    facts.label = found->label;
    facts.type = found->type;
  }
  return facts;
}

/// Whether a line is about a disk at all.
bool names_a_disk(const FstabEntry& entry) {
  const bool tagged = entry.spec.find('=') != std::string::npos && entry.spec[0] != '/' &&
                      entry.spec.find(':') == std::string::npos;
  if (!tagged && !entry.spec.starts_with("/dev/")) return false;
  for (const char* const removable :
       {"/dev/fd", "/dev/cdrom", "/dev/floppy", "/dev/sr", "/dev/dvd"}) {
    if (entry.spec.starts_with(removable)) return false;
  }
  return entry.type != "swap" && entry.type != "iso9660" && !entry.has_option("bind") &&
         !entry.has_option("rbind");
}

class Planner {
 public:
  Planner(const DeviceNames& names, const DiskFacts& disks) : names_(names), disks_(disks) {}

  void add_root(const std::string& device, const std::string& subvolume) {
    MountpointFacts root = mountpoint_of("/", device, names_);
    root.subvolume = subvolume;
    root.mounted = true;
    points_.push_back(std::move(root));
  }

  void add(const FstabEntry& entry) {
    const auto path = plain_path(entry.path);
    if (!path || !names_a_disk(entry) || points_.size() >= kMountpoints) return;
    if (*path == "/") {
      if (points_[0].spec.empty()) take_line(points_[0], entry);
      return;
    }
    const auto device = names_.resolve(entry.spec);
    MountpointFacts point = mountpoint_of(*path, device.value_or(""), names_);
    take_line(point, entry);
    if (device) point.subvolume = subvolume_of(entry, disks_, *device);
    point.mounted = device && !entry.has_option("noauto") && is_mountable(point.type);
    if (point.type.empty()) point.type = entry.type;
    std::erase_if(points_, [&](const MountpointFacts& each) { return each.path == *path; });
    points_.push_back(std::move(point));
  }

  MountPlan take() {
    MountPlan plan;
    plan.mountpoints = std::move(points_);
    std::stable_sort(plan.mountpoints.begin(), plan.mountpoints.end(),
                     [](const MountpointFacts& a, const MountpointFacts& b) {
                       return a.path.size() < b.path.size();
                     });
    for (const MountpointFacts& point : plan.mountpoints) {
      if (point.mounted) plan.mounts.push_back({point.device, point.path, point.subvolume, false});
    }
    return plan;
  }

 private:
  static void take_line(MountpointFacts& point, const FstabEntry& entry) {
    point.spec = entry.spec;
    point.options = entry.options;
  }

  const DeviceNames& names_;
  const DiskFacts& disks_;
  std::vector<MountpointFacts> points_;
};

}  // namespace

MountPlan plan_mounts(const std::string& root_device, const std::string& root_subvolume,
                      const std::vector<FstabEntry>& fstab, const DeviceNames& names,
                      const DiskFacts& disks) {
  Planner planner(names, disks);
  planner.add_root(root_device, root_subvolume);
  for (const FstabEntry& entry : fstab) planner.add(entry);
  return planner.take();
}

}  // namespace v2vfs::inspect
