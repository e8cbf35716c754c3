// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "fs/disk.h"
#include "fs/io_buffer.h"

namespace v2vfs::fs {

/// For a handle that is read from front to back in equal pieces, as cp(1) does: while the program
/// writes one piece away, the next one is read, so that its reply is a copy to the program and
/// nothing else. Never serves what was read before a change of the disk. Thread safe.
class ReadAhead {
 public:
  explicit ReadAhead(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}

  /// Hands out the piece at `offset` by exchanging buffers. nullopt: it was not read ahead. Notes
  /// where the program reads.
  std::optional<std::size_t> take(std::uint64_t offset, std::size_t bytes, IoBuffer& buffer);
  /// To be called after the reply: reads the next piece if the last two followed each other; true
  /// if it is there then. What fails is left to the read itself, which says why.
  bool fill() noexcept;

 private:
  bool is_wanted() const;

  const std::shared_ptr<Disk> disk_;
  std::mutex mutex_;
  std::uint64_t next_offset_ = 0;  // guarded by mutex_: where the program's last read ended
  std::size_t piece_bytes_ = 0;    // guarded by mutex_
  bool sequential_ = false;        // guarded by mutex_

  IoBuffer ahead_;                        // guarded by mutex_
  std::uint64_t ahead_offset_ = 0;        // guarded by mutex_
  std::optional<std::size_t> ahead_got_;  // guarded by mutex_: bytes in ahead_; none: nothing there
  std::uint64_t ahead_version_ = 0;       // guarded by mutex_: the disk's, before it was read
};

}  // namespace v2vfs::fs
