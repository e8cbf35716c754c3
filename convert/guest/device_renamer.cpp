// SPDX-License-Identifier: MIT
#include "convert/guest/device_renamer.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::BlockDevice;
using inspect::PartitionEntry;
using inspect::PartitionTable;
using Found = std::optional<std::string>;

constexpr std::size_t kMostNames = 200;  // told of

/// multipath's own name of a disk or of a partition of it: "mpatha", "mpathap2", "mpatha-part2".
Found part_of_multipath(std::string_view name) {
  constexpr std::string_view kStart = "/dev/mapper/mpath";
  if (!name.starts_with(kStart)) return std::nullopt;
  name.remove_prefix(kStart.size());
  const std::size_t end = std::min(name.find_first_of("0123456789"), name.size());
  return "/dev/disk/by-path/x-part" + std::string(name.substr(end));
}

std::string letters(std::size_t number) {
  const std::string last(1, static_cast<char>('a' + number % 26));
  return number < 26 ? last : letters(number / 26 - 1) + last;
}

std::string text_of(const inspect::GuestFacts& guest, const char* path) {
  const auto found = guest.config.find(path);
  return found == guest.config.end() ? "" : found->second.text;
}

}  // namespace

DeviceRenamer::DeviceRenamer(const inspect::GuestInspection& inspection,
                             const inspect::GuestFacts& guest, BlockBus bus)
    : storage_(inspection.disks.storage), names_(inspection.disks.storage), bus_(bus) {
  names_.set_root(guest.root);
  names_.set_crypttab(inspect::parse_crypttab(text_of(guest, "/etc/crypttab")));
  std::string arrays = text_of(guest, "/etc/mdadm/mdadm.conf");
  if (arrays.empty()) arrays = text_of(guest, "/etc/mdadm.conf");
  names_.set_arrays(inspect::parse_mdadm_conf(arrays));
}

/// Of a disk with multipath only the one that there is can be told.
Found DeviceRenamer::device_of(std::string_view name) const {
  if (const Found link = part_of_multipath(name)) return names_.resolve(*link);
  return inspect::is_fragile_device(name) ? names_.resolve(name) : std::nullopt;
}

/// Copies of a disk have the same UUIDs; the parts of one btrfs have them rightly.
bool DeviceRenamer::is_only_one(const BlockDevice& device) const {
  const auto same = [&](const BlockDevice& other) {
    return equals_ignoring_case(other.uuid, device.uuid) && !other.type.ends_with("_member");
  };
  return device.type == "btrfs" ||
         std::count_if(storage_.devices.begin(), storage_.devices.end(), same) == 1;
}

Found DeviceRenamer::lasting_name(const std::string& device, NameStyle style) const {
  const bool wants_partition = style == NameStyle::partuuid_tag || style == NameStyle::part_link;
  const bool as_link = style == NameStyle::link || style == NameStyle::part_link;
  const BlockDevice* const found = names_.find(device);
  const bool has_uuid = found && !found->uuid.empty() && !found->type.ends_with("_member");
  if (has_uuid && !wants_partition && is_only_one(*found)) {
    return (as_link ? "/dev/disk/by-uuid/" : "UUID=") + found->uuid;
  }
  if (style == NameStyle::uuid_tag) return std::nullopt;
  Found name;
  for (const PartitionEntry& entry : storage_.partitions) {
    const bool same = entry.device == device;
    if (!same || entry.partuuid.empty()) continue;
    const auto twice = [&](const PartitionEntry& other) {
      return equals_ignoring_case(other.partuuid, entry.partuuid);
    };
    if (std::count_if(storage_.partitions.begin(), storage_.partitions.end(), twice) > 1) continue;
    name = (as_link ? "/dev/disk/by-partuuid/" : "PARTUUID=") + entry.partuuid;
  }
  return name;
}

std::string DeviceRenamer::disk_letters(std::size_t disk) const {
  return (bus_ == BlockBus::virtio_blk ? "vd" : "sd") + letters(disk);
}

Found DeviceRenamer::name_on_bus(const std::string& device) const {
  const auto disk_of = [&](const std::string& disk, unsigned part) -> Found {
    for (const PartitionTable& table : storage_.tables) {
      if (table.disk != disk || !table.index) continue;
      return "/dev/" + disk_letters(*table.index) + (part > 0 ? std::to_string(part) : "");
    }
    return std::nullopt;
  };
  for (const PartitionEntry& entry : storage_.partitions) {
    if (entry.device == device) return disk_of(entry.disk, entry.number);
  }
  return disk_of(device, 0);
}

Found DeviceRenamer::rename(std::string_view name, NameStyle style) {
  const bool multipath = part_of_multipath(name).has_value();
  if (!multipath && !inspect::is_fragile_device(name)) return std::nullopt;
  const Found device = device_of(name);
  if (!device) {
    if (unknown_.size() < kMostNames) unknown_.insert(std::string(name));
    return std::nullopt;
  }
  if (style != NameStyle::kernel) {
    if (const Found lasting = lasting_name(*device, style)) return lasting;
  }
  if (bus_ == BlockBus::source && !multipath) return std::nullopt;
  const Found found = name_on_bus(*device);
  if (!found || *found == name) return std::nullopt;
  if (bound_.size() < kMostNames) bound_.insert(*found);
  return found;
}

Found DeviceRenamer::kernel_name(std::string_view name) const {
  const std::string full = "/dev/" + std::string(name);
  if (bus_ == BlockBus::source || !inspect::is_fragile_device(full)) return std::nullopt;
  const Found device = names_.resolve(full);
  const Found made = device ? name_on_bus(*device) : std::nullopt;
  return made && *made != full ? Found(made->substr(5)) : std::nullopt;
}

}  // namespace v2vfs::convert
