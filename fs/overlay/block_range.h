// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace v2vfs::fs {

/// What a block of the overlay is: the values stand on disk (FORMAT.md).
enum class BlockState : std::uint8_t { absent = 0, present = 1, hole = 2 };

/// A run of neighbouring blocks of one state.
struct BlockRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  BlockState state = BlockState::absent;
};

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  constexpr std::uint64_t end() const { return offset + length; }
  bool operator==(const ByteRange&) const = default;
};

/// A range cut at block borders: `head` and `tail` each lie inside one block that they do not fill,
/// `body` is whole blocks. Any may be empty; a range inside one block is a head, or the tail if it
/// begins at the border.
struct SplitRange {
  ByteRange head;
  ByteRange body;
  ByteRange tail;
  bool operator==(const SplitRange&) const = default;
};

/// `block` is a power of two; range.end() rounded up to it does not overflow.
constexpr SplitRange split_range(ByteRange range, std::uint64_t block) {
  const std::uint64_t mask = block - 1;
  const std::uint64_t first_border = (range.offset + mask) & ~mask;
  const std::uint64_t last_border = range.end() & ~mask;
  if (first_border > last_border) return {range, {first_border, 0}, {first_border, 0}};
  return {{range.offset, first_border - range.offset},
          {first_border, last_border - first_border},
          {last_border, range.end() - last_border}};
}

}  // namespace v2vfs::fs
