// SPDX-License-Identifier: MIT
#include "fs/read_ahead.h"

#include <exception>
#include <utility>

namespace v2vfs::fs {
namespace {

/// Smaller pieces are guests' reads, not copies; and one buffer a handle must stay small.
constexpr std::size_t kSmallestPiece = 64 << 10;
constexpr std::size_t kLargestPiece = 1 << 20;

}  // namespace

std::optional<std::size_t> ReadAhead::take(std::uint64_t offset, std::size_t bytes,
                                           IoBuffer& buffer) {
  const std::lock_guard lock(mutex_);
  sequential_ = offset == next_offset_ && bytes == piece_bytes_;
  next_offset_ = offset + bytes;
  piece_bytes_ = bytes;
  const std::optional<std::size_t> got = std::exchange(ahead_got_, std::nullopt);
  if (!got || !sequential_ || ahead_offset_ != offset) return std::nullopt;
  if (ahead_version_ != disk_->content_version()) return std::nullopt;
  std::swap(buffer, ahead_);
  return got;
}

bool ReadAhead::is_wanted() const {
  return sequential_ && !ahead_got_ && piece_bytes_ >= kSmallestPiece &&
         piece_bytes_ <= kLargestPiece;
}

bool ReadAhead::fill() noexcept {
  const std::lock_guard lock(mutex_);
  if (!is_wanted()) return ahead_got_.has_value();
  try {
    ahead_offset_ = next_offset_;
    ahead_version_ = disk_->content_version();
    ahead_got_ = disk_->read(ahead_offset_, ahead_.get(piece_bytes_));
  } catch (const std::exception&) {  // the program's own read comes to the same, and is answered
    ahead_got_.reset();
  }
  return ahead_got_.has_value();
}

}  // namespace v2vfs::fs
