// SPDX-License-Identifier: MIT
#include "fs/overlay/journaled_store.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kMostPending = 1 << 18;  // 6 MiB

JournalRecord record_of(const BlockRun& run) {
  JournalRecord record{};
  record.first = run.first;
  record.count = run.count;
  record.kind = run.state == BlockState::present ? RecordKind::present : RecordKind::hole;
  return record;
}

JournalRecord record_of(const Extent& extent) {
  JournalRecord record{};
  record.first = extent.bytes;
  record.count = extent.low_water;
  record.kind = RecordKind::extent;
  return record;
}

}  // namespace

std::uint64_t JournaledStore::blocks_for(std::uint64_t bytes) const {
  return ceil_div(bytes, block_bytes());
}

template <typename Piece>
void JournaledStore::each_region(ByteRange range, Piece&& piece) {
  const std::uint64_t region_bytes = kRegionBlocks * block_bytes();
  for (std::uint64_t at = range.offset; at < range.end();) {
    const std::uint64_t region = at / region_bytes;
    const std::uint64_t end = std::min(range.end(), (region + 1) * region_bytes);
    std::lock_guard lock(regions_[region % regions_.size()]);
    piece(ByteRange{at, end - at});
    at = end;
  }
}

void JournaledStore::write(std::uint64_t offset, std::span<const std::byte> in) {
  refuse_if_poisoned();
  if (in.empty()) return;
  const Checked end = checked_add(offset, in.size());
  if (!end || *end > head_.geometry.max_bytes)
    throw file_error(EFBIG, folder_, offset, "an overlay holds no more than 64 TiB");
  auto shape = lock_shape_for(*end);
  if (!rules_.size_after_data) live_->raise_bytes(*end);
  try {
    each_region({offset, in.size()}, [&](ByteRange piece) {
      write_piece(piece.offset, in.subspan(piece.offset - offset, piece.length));
    });
  } catch (const std::exception&) {
    shape.unlock();
    if (rules_.cut_off_failed_write) undo_failed_extension();
    throw;
  }
  live_->raise_bytes(*end);  // R7: what a size covers has been written
  shape.unlock();
  relieve();
}

/// Whoever writes and never asks for a barrier gets one, before what is pending fills the memory.
void JournaledStore::relieve() {
  {
    const std::lock_guard lock(pending_mutex_);
    if (pending_.size() < kMostPending) return;
  }
  barrier();
}

void JournaledStore::punch(std::uint64_t offset, std::uint64_t length) {
  refuse_if_poisoned();
  std::shared_lock shape(shape_);
  const std::uint64_t size = live_->bytes();
  if (offset >= size || length == 0) return;
  std::uint64_t end = length < size - offset ? offset + length : size;
  // Nothing is left of the last block: it goes as a whole.
  if (end == size) end = round_up(end, block_bytes());
  each_region({offset, end - offset}, [&](ByteRange piece) { punch_piece(piece); });
}

// The size is set first: should the process die in between, the open that follows does the rest.
void JournaledStore::resize(std::uint64_t bytes) {
  refuse_if_poisoned();
  if (bytes > head_.geometry.max_bytes)
    throw file_error(EFBIG, folder_, bytes, "an overlay holds no more than 64 TiB");
  std::unique_lock shape(shape_);
  if (bytes >= live_->bytes()) {
    cover(bytes);
    live_->set_bytes(bytes);
    return;
  }
  live_->set_bytes(bytes);
  try {
    if (rules_.cut_off_at_shrink) cut_off();
  } catch (const std::exception& error) {
    set_poison(error.what());  // what was cut off would come back with the next growth
    throw;
  }
  count_allocated();
}

// R7: nothing that lies past the size may come back when the file grows: not the base (low-water
// mark), no written block (a hole from now on), no byte of the last block. Done again at every
// open. The file `data` ends at a block's border, so that no sector is cut in two by its length.
void JournaledStore::cut_off() {
  const std::uint64_t size = live_->bytes();
  live_->set_low_water(std::min(live_->low_water(), size));
  const std::uint64_t first_gone = blocks_for(size);
  for (std::uint64_t block = first_gone; block < live_->covered_blocks();) {
    const BlockRun run = live_->run_at(block, live_->covered_blocks());
    if (run.state == BlockState::present) mark({run.first, run.count, BlockState::hole});
    block += run.count;
  }
  const std::uint64_t border = first_gone * block_bytes();
  if (data_->bytes() > border) data_->truncate(border);
  const bool has_tail = size < border && live_->at(first_gone - 1) == BlockState::present;
  if (has_tail) punch_part({size, border - size});
}

std::shared_lock<std::shared_mutex> JournaledStore::lock_shape_for(std::uint64_t end) {
  std::shared_lock shape(shape_);
  while (blocks_for(end) > live_->covered_blocks()) {
    shape.unlock();
    {
      std::unique_lock exclusive(shape_);
      cover(end);
    }
    shape.lock();
  }
  return shape;
}

// R9: the maps get their room now, as ENOSPC for whoever grows the file, not in a later barrier.
void JournaledStore::cover(std::uint64_t end) {
  if (blocks_for(end) <= live_->covered_blocks()) return;
  durable_.reserve(blocks_for(end));
  live_->cover(blocks_for(end));
}

void JournaledStore::undo_failed_extension() {
  std::unique_lock shape(shape_);
  try {
    cut_off();
  } catch (const std::exception& error) {
    set_poison(error.what());
  }
}

// A block changes its state here and nowhere else; its region is locked. The order of pending_ is
// the order of the changes, for each block.
void JournaledStore::mark(const BlockRun& wanted) {
  const std::uint64_t end = wanted.first + wanted.count;
  for (std::uint64_t block = wanted.first; block < end;) {
    const BlockRun old = live_->run_at(block, end);
    block += old.count;
    if (old.state == wanted.state) continue;
    const BlockRun now{old.first, old.count, wanted.state};
    live_->set(now);
    account(old, now.state);
    std::lock_guard lock(pending_mutex_);
    BlockRun* last = pending_.empty() ? nullptr : &pending_.back();
    if (last && last->state == now.state && last->first + last->count == now.first)
      last->count += now.count;
    else
      pending_.push_back(now);
  }
}

void JournaledStore::barrier() {
  refuse_if_poisoned();
  barriers_.run([this] { run_barrier(); });
}

// R3. What is taken before the fdatasync had been written before it. R8: the first failure is
// final, because the kernel may call the pages clean that it could not write.
void JournaledStore::run_barrier() {
  refuse_if_poisoned();
  try {
    Pending pending;
    if (rules_.collect_before_sync) pending = take_pending();
    if (rules_.sync_data_before_journal) sync_data();
    if (!rules_.collect_before_sync) pending = take_pending();
    commit(pending);
    if (!rules_.sync_data_before_journal) sync_data();
  } catch (const std::exception& error) {
    set_poison(error.what());
    throw Error(EIO, "{}", error.what());
  }
}

JournaledStore::Pending JournaledStore::take_pending() {
  std::shared_lock steady(shape_);  // no half-done resize
  std::lock_guard lock(pending_mutex_);
  Pending pending{std::move(pending_), live_->extent()};
  pending_.clear();
  return pending;
}

void JournaledStore::sync_data() {
  if (!rules_.sync_data) return;
  try {
    data_->fdatasync();
  } catch (const Error&) {
    if (rules_.poison_on_failure) throw;
    data_->fdatasync();
  }
}

void JournaledStore::commit(const Pending& pending) {
  std::vector<JournalRecord> records;
  records.reserve(pending.runs.size() + 1);
  for (const BlockRun& run : pending.runs) {
    records.push_back(record_of(run));
    durable_.set(run);
  }
  // Last, so that a torn journal never has a size without the blocks that it grew by.
  if (pending.extent != durable_.extent()) {
    const auto where = rules_.size_record_last ? records.end() : records.begin();
    records.insert(where, record_of(pending.extent));
    durable_.set_extent(pending.extent);
  }
  if (records.empty()) return;
  if (journal_.has_room_for(records.size())) {
    journal_.append(records, durable_.checkpoint());
    return;
  }
  durable_.write();  // R4: it resets the journal by its number
  journal_.reset();
}

void JournaledStore::set_poison(const std::string& why) {
  std::lock_guard lock(poison_mutex_);
  if (poisoned_.load()) return;
  poison_ = why;
  if (rules_.poison_in_live) live_->set_poison(why);
  poisoned_.store(true);
  log::error("{}: no more writing: {}", folder_, why);
}

std::string JournaledStore::poison() const {
  std::lock_guard lock(poison_mutex_);
  return poison_;
}

void JournaledStore::refuse_if_poisoned() const {
  if (!poisoned_.load(std::memory_order_acquire)) return;
  throw Error(EIO,
              "{}: nothing is written any more, because the disk below failed: {}. What was synced "
              "before is safe; see to the disk and restart the machine",
              folder_, poison());
}

}  // namespace v2vfs::fs
