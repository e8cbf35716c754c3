// SPDX-License-Identifier: MIT
#include <algorithm>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/error.h"

// What stat and du say: bytes of present blocks, and of the base's data where nothing covers it.
namespace v2vfs::fs {

std::uint64_t JournaledStore::base_data_bytes(ByteRange range) const {
  const std::uint64_t end = std::min(range.end(), base_limit());
  std::uint64_t data = 0;
  for (std::uint64_t at = range.offset; at < end;) {
    BaseImage::Stretch stretch{end, false};
    try {
      stretch = base_->stretch_at(at);
    } catch (const Error&) {
      // Cannot be told: data. Whoever reads there is told why.
    }
    const std::uint64_t next = std::min(end, stretch.end);
    if (!stretch.is_hole) data += next - at;
    at = next;
  }
  return data;
}

void JournaledStore::count_allocated() {
  std::int64_t present = 0;
  std::uint64_t bytes = 0;
  const std::uint64_t blocks = blocks_for(live_->bytes());
  for (std::uint64_t block = 0; block < blocks;) {
    const BlockRun run = live_->run_at(block, blocks);
    const ByteRange range{block * block_bytes(), run.count * block_bytes()};
    if (run.state == BlockState::present) {
      present += static_cast<std::int64_t>(run.count);
      bytes += range.length;
    } else if (run.state == BlockState::absent) {
      bytes += base_data_bytes(range);
    }
    block += run.count;
  }
  present_blocks_ = present;
  allocated_ = static_cast<std::int64_t>(bytes);
}

void JournaledStore::account(const BlockRun& old, BlockState now) {
  const auto blocks = static_cast<std::int64_t>(old.count);
  const auto bytes = static_cast<std::int64_t>(old.count * block_bytes());
  if (old.state == BlockState::present) {
    present_blocks_ -= blocks;
    allocated_ -= bytes;
  } else if (old.state == BlockState::absent) {
    allocated_ -= static_cast<std::int64_t>(
        base_data_bytes({old.first * block_bytes(), old.count * block_bytes()}));
  }
  if (now == BlockState::present) {
    present_blocks_ += blocks;
    allocated_ += bytes;
  }
}

std::uint64_t JournaledStore::allocated_bytes() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(allocated_, 0));
}

std::uint64_t JournaledStore::overlay_bytes() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(present_blocks_, 0)) * block_bytes();
}

}  // namespace v2vfs::fs
