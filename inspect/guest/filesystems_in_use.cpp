// SPDX-License-Identifier: MIT
#include "inspect/guest/filesystems_in_use.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/fstab.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kSector = 512;

std::uint64_t byte_at(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}
std::uint64_t little(std::string_view bytes, std::size_t at, std::size_t length) {
  std::uint64_t value = 0;
  while (length > 0) value = value << 8 | byte_at(bytes, at + --length);
  return value;
}
std::uint64_t big(std::string_view bytes, std::size_t at, std::size_t length) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < length; ++i) value = value << 8 | byte_at(bytes, at + i);
  return value;
}

// ext: bits of s_feature_compat, s_feature_incompat and s_state.
constexpr std::uint64_t kHasJournal = 4, kNeedsRecovery = 4, kValid = 1;

// XFS.
constexpr std::uint64_t kXfsRecordMagic = 0xFEEDBABE;
constexpr std::uint64_t kXfsUnmount = 0x20;        // XLOG_UNMOUNT_TRANS
constexpr std::uint64_t kXfsHeaderBytes = 32'768;  // of a record that one header sector is for
constexpr std::uint64_t kMostRecordSectors = 520;  // 256 KiB and its headers

/// The round of the log in which a sector was written last.
std::uint64_t cycle_of(std::string_view sector) {
  const std::uint64_t first = big(sector, 0, 4);
  return first == kXfsRecordMagic ? big(sector, 4, 4) : first;
}

/// What lies in front of the head, across the log's end if need be.
std::string before_head(
    std::uint64_t log_sectors, std::uint64_t head,
    const std::function<std::string(std::uint64_t first, std::uint64_t count)>& sectors) {
  const std::uint64_t wanted = std::min(kMostRecordSectors, log_sectors);
  if (head >= wanted) return sectors(head - wanted, wanted);
  const std::uint64_t rest = wanted - head;
  return sectors(log_sectors - rest, rest) + sectors(0, head);
}

bool is_unmount_record(std::string_view record) {
  const bool version_2 = big(record, 8, 4) & 2;
  const std::uint64_t bytes = version_2 ? big(record, 320, 4) : kXfsHeaderBytes;
  const std::uint64_t headers =
      std::max<std::uint64_t>(1, (bytes + kXfsHeaderBytes - 1) / kXfsHeaderBytes);
  return big(record, 40, 4) == 1 && byte_at(record, headers * kSector + 9) & kXfsUnmount;
}

}  // namespace

bool ext_in_use(std::string_view superblock) {
  if (little(superblock, 0x38, 2) != 0xEF53) return false;
  if (little(superblock, 0x60, 4) & kNeedsRecovery) return true;
  const bool has_journal = little(superblock, 0x5C, 4) & kHasJournal;
  return !has_journal && !(little(superblock, 0x3A, 2) & kValid);
}

bool btrfs_in_use(std::string_view superblock) {
  return superblock.substr(0x40, 8) == "_BHRfS_M" && little(superblock, 0x60, 8) != 0;
}

bool fat_unmounted(std::string_view sector) {
  const bool is_fat32 = little(sector, 0x16, 2) == 0;  // sectors of a FAT12's or FAT16's table
  return little(sector, 0x1FE, 2) == 0xAA55 && !(little(sector, is_fat32 ? 0x41 : 0x25, 1) & 1);
}

XfsLog xfs_log(std::string_view superblock) {
  const std::uint64_t block = big(superblock, 4, 4), start = big(superblock, 48, 8);
  const std::uint64_t blocks = big(superblock, 96, 4), group = big(superblock, 84, 4);
  const std::uint64_t group_bits = byte_at(superblock, 124);
  if (superblock.substr(0, 4) != "XFSB" || block < kSector || block > 65'536 || group_bits > 31 ||
      start == 0) {
    return {};
  }
  // A block's number has the allocation group's above group_bits.
  const std::uint64_t number =
      (start >> group_bits) * group + (start & ((std::uint64_t{1} << group_bits) - 1));
  return {number * block, blocks * (block / kSector)};
}

/// The head is where the rounds change; a log that was ended has an unmount record right before it.
bool xfs_in_use(
    std::uint64_t log_sectors,
    const std::function<std::string(std::uint64_t first, std::uint64_t count)>& sectors) {
  if (log_sectors < 2) return true;
  const std::uint64_t first = cycle_of(sectors(0, 1));
  const std::uint64_t last = cycle_of(sectors(log_sectors - 1, 1));
  if (first == 0) return false;  // never mounted
  std::uint64_t low = 0, head = log_sectors;
  if (first != last) {
    for (head = log_sectors - 1; low + 1 < head;) {
      const std::uint64_t middle = low + (head - low) / 2;
      (cycle_of(sectors(middle, 1)) == first ? low : head) = middle;
    }
  }
  const std::string end = before_head(log_sectors, head, sectors);
  for (std::size_t at = end.size(); at >= kSector; at -= kSector) {
    const std::string_view record = std::string_view(end).substr(at - kSector);
    if (big(record, 0, 4) == kXfsRecordMagic) return !is_unmount_record(record);
  }
  return true;
}

namespace {

enum class Left { in_use, unmounted, untold, unknown_kind };

Left left_of(Guest& guest, const BlockDevice& device) {
  const auto read = [&](std::uint64_t offset, std::size_t length) {
    std::string bytes = guest.read_device(device.name, offset, length);
    if (bytes.size() < length) throw Error(EIO, "{} is cut off", clean_text(device.name));
    return bytes;
  };
  const auto say = [](bool in_use) { return in_use ? Left::in_use : Left::unmounted; };
  if (device.type.starts_with("ext")) return say(ext_in_use(read(1024, 1024)));
  if (device.type == "btrfs")
    return btrfs_in_use(read(64 << 10, 4096)) ? Left::in_use : Left::untold;
  if (device.type == "vfat")
    return fat_unmounted(read(0, kSector)) ? Left::unmounted : Left::unknown_kind;
  if (device.type != "xfs") return Left::unknown_kind;
  const XfsLog log = xfs_log(read(0, kSector));
  return say(xfs_in_use(log.sectors, [&](std::uint64_t first, std::uint64_t count) {
    return read(log.offset + first * kSector, count * kSector);
  }));
}

void look_at(Guest& guest, const BlockDevice& device, FilesystemsLeft& found) {
  try {
    const Left left = left_of(guest, device);
    if (left == Left::unmounted) found.unmounted.push_back(device.name);
    if (left == Left::untold) found.untold.push_back(device.name);
    if (left != Left::in_use) return;
    found.in_use.push_back(
        fmt::format("{} ({}) was not unmounted", clean_text(device.name), clean_text(device.type)));
  } catch (const Error& e) {
    found.in_use.push_back(e.sentence());
  }
}

bool contains(const std::vector<std::string>& list, const std::string& device) {
  return std::find(list.begin(), list.end(), device) != list.end();
}

/// While the guest runs it is mounted, and to be written to. One that may be missing proves
/// nothing.
bool is_mounted_by_fstab(const MountpointFacts& point) {
  const FstabEntry entry{0, "", "", "", point.options, 0};
  for (const char* const option : {"ro", "noauto", "nofail", "x-systemd.automount"}) {
    if (entry.has_option(option)) return false;
  }
  return !point.spec.empty() && point.mounted;
}

}  // namespace

FilesystemsLeft filesystems_left(Guest& guest, const Storage& storage) {
  FilesystemsLeft found;
  for (const BlockDevice& device : storage.devices) {
    if (device.type != "swsuspend") continue;
    found.in_use.push_back(clean_text(device.name) +
                           " holds the memory of a guest that was suspended");
  }
  for (const BlockDevice& device : storage.devices) look_at(guest, device, found);
  return found;
}

std::string why_not_shut_down(const GuestInspection& inspection) {
  const FilesystemsLeft& left = inspection.disks.left;
  if (!left.in_use.empty()) return left.in_use.front();
  const GuestFacts* const guest = inspection.chosen_guest();
  std::string untold = guest || left.untold.empty() ? "" : left.untold.front();
  for (const MountpointFacts& point : guest ? guest->mountpoints : std::vector<MountpointFacts>()) {
    if (is_mounted_by_fstab(point) && contains(left.unmounted, point.device)) return "";
    if (contains(left.untold, point.device)) untold = point.device;
  }
  if (untold.empty()) return "";
  return clean_text(untold) + " (btrfs) does not say whether the guest was shut down";
}

}  // namespace v2vfs::inspect
