// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// Which filesystems somebody had mounted and did not unmount, and memory that was saved to a swap
/// area, first. Before anything is mounted, for that replays logs. ext2/3/4 say it by
/// needs_recovery or their state, XFS by the last record of its log, FAT by its dirty bit (which
/// may be an old one: it counts only where it is not set). btrfs looks the same while it is mounted
/// and idle, but for a log tree. What cannot be read is in use; other filesystems are not looked
/// at.
FilesystemsLeft filesystems_left(Guest& guest, const Storage& storage);

/// Why the guest may still remember its files, as one sentence; empty: it was shut down. A btrfs of
/// its own that cannot tell is believed where another filesystem that its fstab mounts was
/// unmounted.
std::string why_not_shut_down(const GuestInspection& inspection);

// Pure parts, for tests. `superblock` begins where the filesystem's own does.

/// Of an ext2/3/4 superblock (1,024 bytes; kernel: Documentation/filesystems/ext4/super.rst).
bool ext_in_use(std::string_view superblock);
/// Of a btrfs superblock (4,096 bytes; btrfs on-disk format, struct btrfs_super_block): it has a
/// log tree. None is no answer.
bool btrfs_in_use(std::string_view superblock);
/// Of a FAT boot sector (512 bytes; the state byte of Linux's struct fat_boot_sector).
bool fat_unmounted(std::string_view sector);

/// Where an XFS filesystem keeps its log (XFS Algorithms & Data Structures, "Journaling Log").
struct XfsLog {
  std::uint64_t offset = 0;  // bytes from the filesystem's start
  std::uint64_t sectors = 0;
};
/// Of an XFS superblock (512 bytes); no sectors: the log is elsewhere.
XfsLog xfs_log(std::string_view superblock);
/// `sectors(first, count)` gives that many sectors of 512 bytes of the log.
bool xfs_in_use(
    std::uint64_t log_sectors,
    const std::function<std::string(std::uint64_t first, std::uint64_t count)>& sectors);

}  // namespace v2vfs::inspect
