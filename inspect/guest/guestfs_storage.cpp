// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>

#include "inspect/base/text.h"
#include "inspect/guest/blkid_text.h"
#include "inspect/guest/guestfs_guest.h"
#include "inspect/guest/guestfs_handle.h"

/// The block layers. What a device holds and how disks are partitioned comes from blkid alone:
/// libguestfs's calls about partitions ask parted, which stumbles over odd labels, and answer for
/// GPT where there is none.
namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kSectorBytes = 512;  // libblkid's PART_ENTRY_OFFSET and _SIZE
constexpr std::uint64_t kGptLegacyBoot = 4;  // attribute bit 2 (UEFI 2.10, 5.3.3)
constexpr unsigned kMbrActive = 0x80;
constexpr std::size_t kMostSubvolumes = 2000;
constexpr std::size_t kMostSnapshotChecks = 256;
constexpr std::size_t kLongestMapping = 120;  // DM_NAME_LEN is 128
constexpr const char* kLookAt = "/v2vfs";

using Tags = std::map<std::string, std::string>;

std::string tag(const Tags& tags, const char* name) {
  const auto it = tags.find(name);
  return it == tags.end() ? "" : it->second;
}

/// Decimal, or hexadecimal with 0x in front; 0 for what is neither.
std::uint64_t number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  return value;
}

/// Fixed width, dashes as LVM shows them left out, as libguestfs has it.
std::string lvm_uuid(const char (&uuid)[32]) { return std::string(uuid, sizeof uuid); }

bool is_mapping_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestMapping && name != "control" &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
             std::string::npos;
}

/// Looks at everything once and writes it down.
class StorageSurvey {
 public:
  StorageSurvey(const GuestfsHandle& handle, const std::map<std::string, std::string>& unlocked)
      : handle_(handle), unlocked_(unlocked) {}

  Storage look() {
    for (const std::string& disk : names(::guestfs_list_devices)) add_disk(disk);
    for (const std::string& md : names(::guestfs_list_md_devices)) add_array(md);
    for (const std::string& partition : names(::guestfs_list_partitions)) add_partition(partition);
    for (const std::string& mapping : names(::guestfs_list_dm_devices)) add_mapping(mapping);
    add_volumes();
    return std::move(storage_);
  }

 private:
  std::vector<std::string> names(char** (*call)(guestfs_h*)) const {
    return take_list(handle_.check_pointer(call(handle_.get()), "block devices"));
  }

  /// What a call gave away, or `otherwise` if it failed.
  std::string text_or(char* given, const std::string& otherwise) const {
    const GuestfsText text(given);
    if (!text) handle_.forgive();
    return text ? text.get() : otherwise;
  }

  Tags tags_of(const std::string& device) const {
    const std::vector<std::string> pairs =
        take_list(::guestfs_blkid(handle_.get(), device.c_str()));
    if (pairs.empty()) handle_.forgive();  // nothing is known of it
    Tags tags;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
      tags[pairs[i]] = blkid_unescape(pairs[i + 1]);
    return tags;
  }

  Tags add(const std::string& name, BlockKind kind, std::vector<std::string> below) {
    const Tags tags = tags_of(name);
    const std::int64_t bytes = ::guestfs_blockdev_getsize64(handle_.get(), name.c_str());
    if (bytes < 0) handle_.forgive();
    std::string label = tag(tags, "LABEL");
    if (blkid_is_ambiguous(label))
      label = text_or(::guestfs_vfs_label(handle_.get(), name.c_str()), label);
    storage_.devices.push_back({name, kind, std::move(below),
                                static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)),
                                tag(tags, "TYPE"), tag(tags, "UUID"), label});
    return tags;
  }

  void add_table(const std::string& disk, const Tags& tags) {
    PartitionTable table;
    table.disk = disk;
    const int index = ::guestfs_device_index(handle_.get(), disk.c_str());
    if (index >= 0) table.index = static_cast<std::size_t>(index);
    table.kind = tag(tags, "PTTYPE");
    if (table.kind == "dos") table.kind = "msdos";
    table.disk_id = to_lower(tag(tags, "PTUUID"));
    storage_.tables.push_back(std::move(table));
  }

  void add_disk(const std::string& disk) { add_table(disk, add(disk, BlockKind::disk, {})); }

  void add_array(const std::string& md) {
    const std::unique_ptr<guestfs_mdstat_list, decltype(&::guestfs_free_mdstat_list)> members(
        ::guestfs_md_stat(handle_.get(), md.c_str()), ::guestfs_free_mdstat_list);
    if (!members) handle_.forgive();
    std::vector<std::string> below;
    for (std::uint32_t i = 0; members && i < members->len; ++i) {
      const std::string name = members->val[i].mdstat_device;
      below.push_back(name.starts_with('/') ? name : "/dev/" + name);
    }
    const Tags tags = add(md, BlockKind::md_array, std::move(below));
    if (tags.contains("PTTYPE")) add_table(md, tags);
  }

  void add_partition(const std::string& name) {
    const std::string whole = text_or(::guestfs_part_to_dev(handle_.get(), name.c_str()), "");
    const Tags tags = add(name, BlockKind::partition, {whole});
    PartitionEntry entry;
    entry.device = name;
    entry.disk = whole;
    entry.number = static_cast<unsigned>(number(tag(tags, "PART_ENTRY_NUMBER")));
    entry.start_bytes = number(tag(tags, "PART_ENTRY_OFFSET")) * kSectorBytes;
    entry.bytes = number(tag(tags, "PART_ENTRY_SIZE")) * kSectorBytes;
    entry.partuuid = to_lower(tag(tags, "PART_ENTRY_UUID"));
    entry.partlabel = tag(tags, "PART_ENTRY_NAME");
    if (blkid_is_ambiguous(entry.partlabel)) {
      entry.partlabel = text_or(
          ::guestfs_part_get_name(handle_.get(), whole.c_str(), static_cast<int>(entry.number)),
          entry.partlabel);
    }
    const std::uint64_t flags = number(tag(tags, "PART_ENTRY_FLAGS"));
    if (tag(tags, "PART_ENTRY_SCHEME") == "gpt") {
      entry.gpt_type = to_lower(tag(tags, "PART_ENTRY_TYPE"));
      entry.bootable = flags & kGptLegacyBoot;
    } else if (tag(tags, "PART_ENTRY_SCHEME") == "dos") {
      entry.mbr_id = static_cast<unsigned>(number(tag(tags, "PART_ENTRY_TYPE")));
      entry.bootable = flags & kMbrActive;
    }
    storage_.partitions.push_back(std::move(entry));
  }

  void add_mapping(const std::string& name) {
    const auto it = unlocked_.find(name);
    if (it != unlocked_.end()) add(name, BlockKind::luks_mapping, {it->second});
  }

  /// The physical volumes of each group.
  std::map<std::string, std::vector<std::string>> groups() const {
    const std::unique_ptr<guestfs_lvm_pv_list, decltype(&::guestfs_free_lvm_pv_list)> pvs(
        handle_.check_pointer(::guestfs_pvs_full(handle_.get()), "LVM"),
        ::guestfs_free_lvm_pv_list);
    std::map<std::string, std::string> by_uuid;
    for (std::uint32_t i = 0; i < pvs->len; ++i) {
      by_uuid[lvm_uuid(pvs->val[i].pv_uuid)] = pvs->val[i].pv_name;
    }
    std::map<std::string, std::vector<std::string>> groups;
    for (const std::string& group : names(::guestfs_vgs)) {
      for (std::string& uuid : take_list(::guestfs_vgpvuuids(handle_.get(), group.c_str()))) {
        std::erase(uuid, '-');
        if (const auto it = by_uuid.find(uuid); it != by_uuid.end()) {
          groups[group].push_back(it->second);
        }
      }
    }
    return groups;
  }

  void add_volumes() {
    const std::vector<std::string> volumes = names(::guestfs_lvs);
    if (volumes.empty()) return;
    const auto pvs_of = groups();
    for (const std::string& device : volumes) {
      const std::size_t slash = device.rfind('/');  // /dev/GROUP/NAME: neither has a slash in it
      if (slash < 6 || slash == std::string::npos) continue;
      const std::string group = device.substr(5, slash - 5);
      const auto pvs = pvs_of.find(group);
      add(device, BlockKind::logical_volume,
          pvs == pvs_of.end() ? std::vector<std::string>() : pvs->second);
      storage_.volumes.push_back({device, group, device.substr(slash + 1),
                                  text_or(::guestfs_lvuuid(handle_.get(), device.c_str()), "")});
    }
  }

  const GuestfsHandle& handle_;
  const std::map<std::string, std::string>& unlocked_;
  Storage storage_;
};

}  // namespace

Storage GuestfsGuest::storage() { return StorageSurvey(*handle_, unlocked_).look(); }

void GuestfsGuest::unlock(const std::string& device, std::string_view key,
                          const std::string& mapping) {
  if (!is_mapping_name(mapping))
    throw Error(EINVAL, "{} is no name of a mapping", clean_text(mapping));
  if (key.empty() || key.find('\0') != std::string_view::npos) {
    throw Error(
        EINVAL,
        "the key of {} is empty or has a NUL byte in it, which the appliance cannot be given",
        clean_text(device));
  }
  struct guestfs_cryptsetup_open_argv options {};
  options.bitmask = GUESTFS_CRYPTSETUP_OPEN_READONLY_BITMASK;
  options.readonly = !any_writable_;
  std::string secret(key);
  const int result = ::guestfs_cryptsetup_open_argv(handle_->get(), device.c_str(), secret.c_str(),
                                                    mapping.c_str(), &options);
  ::explicit_bzero(secret.data(), secret.size());
  if (result == -1) {
    handle_->forgive();
    const std::string words = handle_->last_words();
    const std::string lower = to_lower(words);
    const bool wrong = lower.find("no key available") != std::string::npos;
    const bool memory =
        lower.find("memory") != std::string::npos || lower.find("killed") != std::string::npos;
    throw Error(wrong    ? EACCES
                : memory ? ENOMEM
                         : handle_->last_errno(),
                "{}: {}", clean_text(device), words);
  }
  unlocked_["/dev/mapper/" + mapping] = device;
  handle_->check(::guestfs_lvm_scan(handle_->get(), 1), "LVM");
}

std::vector<BtrfsSubvolume> GuestfsGuest::listed_subvolumes(const std::string& device) {
  const std::unique_ptr<guestfs_btrfssubvolume_list, decltype(&::guestfs_free_btrfssubvolume_list)>
      found(handle_->check_pointer(::guestfs_btrfs_subvolume_list(handle_->get(), device.c_str()),
                                   device),
            ::guestfs_free_btrfssubvolume_list);
  if (found->len > kMostSubvolumes) {
    throw Error(EOVERFLOW, "{} has {} subvolumes, more than are looked at ({})", clean_text(device),
                found->len, kMostSubvolumes);
  }
  std::vector<BtrfsSubvolume> all;
  for (std::uint32_t i = 0; i < found->len; ++i) {
    const guestfs_btrfssubvolume& each = found->val[i];
    all.push_back({each.btrfssubvolume_id, each.btrfssubvolume_top_level_id,
                   each.btrfssubvolume_path, false, false});
  }
  return all;
}

/// A snapshot has a parent uuid, which only `btrfs subvolume show` of a mounted filesystem tells.
void GuestfsGuest::find_snapshots(const std::string& device, std::vector<BtrfsSubvolume>& all) {
  if (::guestfs_mkmountpoint(handle_->get(), kLookAt) == -1) handle_->forgive();  // it is there
  handle_->check(::guestfs_mount_options(
                     handle_->get(), any_writable_ ? "ro,nologreplay,subvolid=5" : "ro,subvolid=5",
                     device.c_str(), kLookAt),
                 device);
  for (std::size_t i = 0; i < std::min(all.size(), kMostSnapshotChecks); ++i) {
    const std::string path = std::string(kLookAt) + "/" + all[i].path;
    const std::vector<std::string> pairs =
        take_list(::guestfs_btrfs_subvolume_show(handle_->get(), path.c_str()));
    if (pairs.empty()) handle_->forgive();
    for (std::size_t at = 0; at + 1 < pairs.size(); at += 2) {
      if (equals_ignoring_case(pairs[at], "parent uuid"))
        all[i].is_snapshot = !pairs[at + 1].empty();
    }
  }
  handle_->check(::guestfs_umount_all(handle_->get()), device);
}

std::vector<BtrfsSubvolume> GuestfsGuest::btrfs_subvolumes(const std::string& device) {
  if (mounted_) throw Error(EBUSY, "subvolumes are listed while nothing is mounted");
  std::vector<BtrfsSubvolume> all = listed_subvolumes(device);
  const std::int64_t chosen = ::guestfs_btrfs_subvolume_get_default(handle_->get(), device.c_str());
  if (chosen < 0) handle_->forgive();
  for (BtrfsSubvolume& each : all) each.is_default = static_cast<std::int64_t>(each.id) == chosen;
  if (!all.empty()) find_snapshots(device, all);
  return all;
}

}  // namespace v2vfs::inspect
