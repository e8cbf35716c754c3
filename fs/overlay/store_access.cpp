// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kStretchScanBlocks = 16 * 1024;  // 1 GiB of 64 KiB blocks a call

}  // namespace

// The base ends where the file was once cut off, for ever (R7).
std::uint64_t JournaledStore::base_limit() const {
  if (!rules_.low_water_mark) return head_.base_bytes;
  return std::min(head_.base_bytes, live_->low_water());
}

// Without a lock: whoever reads what is being written gets the old or the new. Neighbouring blocks
// of one kind are one request.
std::size_t JournaledStore::read(std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t size = live_->bytes();
  if (offset >= size) return 0;
  const std::size_t length = std::min<std::uint64_t>(out.size(), size - offset);
  const std::uint64_t end = offset + length;
  for (std::uint64_t at = offset; at < end;) {
    const BlockRun run = live_->run_at(at / block_bytes(), blocks_for(end));
    const std::uint64_t next = std::min(end, (run.first + run.count) * block_bytes());
    read_run(run.state, at, out.subspan(at - offset, next - at));
    at = next;
  }
  return length;
}

void JournaledStore::read_run(BlockState state, std::uint64_t offset, std::span<std::byte> out) {
  switch (state) {
    case BlockState::absent:
      return read_base(offset, out);
    case BlockState::hole:
      std::memset(out.data(), 0, out.size());
      return;
    case BlockState::present: {
      const std::size_t got = data_->pread(offset, out);
      std::memset(out.data() + got, 0, out.size() - got);  // cut off by a shrink, then grown again
      return;
    }
  }
  throw file_error(EIO, folder_ + "/live", offset / block_bytes() / 4, "a block in no state");
}

void JournaledStore::read_base(std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t limit = base_limit();
  const std::uint64_t there =
      offset >= limit ? 0 : std::min<std::uint64_t>(out.size(), limit - offset);
  if (there > 0) base_->read(offset, out.first(there));
  std::memset(out.data() + there, 0, out.size() - there);
}

void JournaledStore::write_piece(std::uint64_t offset, std::span<const std::byte> in) {
  const std::uint64_t first = offset / block_bytes();
  const std::uint64_t last = blocks_for(offset + in.size());
  const BlockRun run = live_->run_at(first, last);
  if (run.state == BlockState::present && run.first + run.count == last)
    return data_->pwrite(offset, in);

  const SplitRange split = split_range({offset, in.size()}, block_bytes());
  const auto bytes_in = [&](ByteRange part) {
    return in.subspan(part.offset - offset, part.length);
  };
  if (split.head.length) write_part(split.head.offset, bytes_in(split.head));
  if (split.body.length)
    write_blocks(split.body.offset, bytes_in(split.body), split.body.offset / block_bytes(),
                 split.body.length / block_bytes());
  if (split.tail.length) write_part(split.tail.offset, bytes_in(split.tail));
}

// R2: a block that is not present yet is written as a whole, around `in` what it read as before.
void JournaledStore::write_part(std::uint64_t offset, std::span<const std::byte> in) {
  const std::uint64_t block = offset / block_bytes();
  const BlockState state = live_->at(block);
  if (state == BlockState::present) return data_->pwrite(offset, in);
  if (!rules_.whole_first_write) return write_blocks(offset, in, block, 1);

  const std::uint64_t start = block * block_bytes();
  const std::uint64_t in_start = offset - start;
  const std::uint64_t in_end = in_start + in.size();
  std::vector<std::byte> whole(block_bytes());
  if (state == BlockState::absent) {
    const std::span<std::byte> all(whole);
    const std::uint64_t from = in_start == 0 ? in_end : 0;
    const std::uint64_t to = in_end == all.size() ? in_start : all.size();
    read_base(start + from, all.subspan(from, to - from));
  }
  std::memcpy(whole.data() + in_start, in.data(), in.size());
  write_blocks(start, whole, block, 1);
}

// R1, R2: first the bytes, then the bit.
void JournaledStore::write_blocks(std::uint64_t offset, std::span<const std::byte> in,
                                  std::uint64_t first, std::uint64_t count) {
  const BlockRun written{first, count, BlockState::present};
  if (!rules_.bit_after_data) mark(written);
  data_->pwrite(offset, in);
  mark(written);
}

void JournaledStore::punch_piece(ByteRange piece) {
  const SplitRange split = split_range(piece, block_bytes());
  if (split.head.length) punch_part(split.head);
  if (split.body.length) punch_blocks(split.body);
  if (split.tail.length) punch_part(split.tail);
}

void JournaledStore::punch_part(ByteRange part) {
  const BlockState state = live_->at(part.offset / block_bytes());
  if (state == BlockState::hole) return;
  if (state == BlockState::present && data_->punch(part.offset, part.length)) return;
  const std::vector<std::byte> zeros(part.length);
  write_part(part.offset, zeros);
}

// R6: a hole is a state of its own, so stale bytes that a crash left in `data` under it are never
// seen; giving the room back is all that punching `data` is for, and where it cannot be had that is
// no error.
void JournaledStore::punch_blocks(ByteRange body) {
  if (rules_.hole_in_map)
    mark({body.offset / block_bytes(), body.length / block_bytes(), BlockState::hole});
  data_->punch(body.offset, body.length);
}

BaseImage::Stretch JournaledStore::stretch_at(std::uint64_t offset) {
  const std::uint64_t size = live_->bytes();
  if (offset >= size) throw file_error(ENXIO, folder_, offset, "past the end");
  const std::uint64_t first = offset / block_bytes();
  const BlockRun run = live_->run_at(first, std::min(blocks_for(size), first + kStretchScanBlocks));
  const std::uint64_t end = std::min(size, (run.first + run.count) * block_bytes());
  if (run.state != BlockState::absent) return {end, run.state == BlockState::hole};
  const std::uint64_t limit = base_limit();
  if (offset >= limit) return {end, true};
  const BaseImage::Stretch below = base_->stretch_at(offset);
  return {std::min({end, limit, below.end}), below.is_hole};
}

std::optional<OverlayStore::Written> JournaledStore::next_written(std::uint64_t offset) {
  const std::uint64_t size = live_->bytes();
  if (offset >= size) return std::nullopt;
  const std::uint64_t blocks = blocks_for(size);
  for (std::uint64_t block = offset / block_bytes(); block < blocks;) {
    const BlockRun run = live_->run_at(block, blocks);
    if (run.state != BlockState::absent) {
      const std::uint64_t begin = std::max(offset, run.first * block_bytes());
      const std::uint64_t end = std::min(size, (run.first + run.count) * block_bytes());
      return Written{begin, end - begin, run.state == BlockState::hole};
    }
    block += run.count;
  }
  return std::nullopt;
}

}  // namespace v2vfs::fs
