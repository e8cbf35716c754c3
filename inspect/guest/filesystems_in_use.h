// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest.h"

namespace v2vfs::inspect {

/// The filesystems that somebody had mounted and did not unmount, and memory that was saved to a
/// swap area, each as a sentence: the guest was not shut down, or runs. Before anything is mounted,
/// for that replays logs. What cannot be told is in use: ext2/3/4 by needs_recovery or their state,
/// XFS by the last record of its log, btrfs always, for it looks the same while it is mounted and
/// idle (in a guest whose memory somebody saved); others are not looked at.
std::vector<std::string> filesystems_in_use(Guest& guest, const Storage& storage);

// Pure parts, for tests. `superblock` begins where the filesystem's own does.

/// Of an ext2/3/4 superblock (1,024 bytes; kernel: Documentation/filesystems/ext4/super.rst).
bool ext_in_use(std::string_view superblock);

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
