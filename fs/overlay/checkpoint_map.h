// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fs/overlay/block_range.h"
#include "fs/overlay/format.h"
#include "fs/overlay/io.h"

namespace v2vfs::fs {

/// The map of what is durable, and its two checkpoint slots map.A and map.B. In memory it takes a
/// page for each stretch of 16,320 blocks that has written ones.
///
/// A bit in a slot implies durable bytes (R4): whoever calls set() has synced the data. A
/// checkpoint goes to the slot that does not count: pages, fdatasync, header with the next number,
/// fdatasync; from then on it is the one that counts. Not thread safe (one barrier at a time), but
/// for reserve().
class CheckpointMap {
 public:
  /// Writes two empty slots, the first of which counts.
  static void make(Io& io, const std::string& folder, const Head& head, const StoreRules& rules);
  /// Reads the slot that counts. Throws Error (EIO) if it is damaged.
  CheckpointMap(Io& io, const std::string& folder, const Head& head, const StoreRules& rules);

  void set(const BlockRun& run);
  void set_word(std::uint64_t index, std::uint64_t word);
  void set_extent(const Extent& extent) { extent_ = extent; }
  const Extent& extent() const { return extent_; }
  std::uint64_t word(std::uint64_t index) const;
  std::uint64_t page_count() const { return pages_.size(); }

  /// The number of the last checkpoint: journal records that come after it carry it.
  std::uint64_t checkpoint() const { return checkpoint_; }
  void write();
  /// Before the first write(): the process that wrote the slot which counts may have died before
  /// its fdatasync, and the next checkpoint overwrites the other slot.
  void sync() { slots_[current_].file->fdatasync(); }

  /// Makes room on the disk for blocks below `blocks` in both slots. Thread safe.
  void reserve(std::uint64_t blocks);

 private:
  struct Slot {
    std::string name;
    std::unique_ptr<IoFile> file;
    std::vector<bool> stale;  // pages that differ from what the slot holds
  };

  static MapHeader header_of(const Head& head, std::uint64_t checkpoint, const Extent& extent);
  std::uint64_t newest_header(Slot& slot, MapHeader& newest) const;
  void load(Slot& slot, const MapHeader& header);
  void mark_used_stale(Slot& slot, std::uint64_t limit, MapPage& buffer) const;
  MapPage& page_for(std::uint64_t index);
  void mark_stale(std::uint64_t page);
  void write_pages(Slot& slot);
  void write_header(Slot& slot, const MapHeader& header);
  std::uint64_t used_pages() const;

  const StoreRules rules_;
  const Head head_;
  std::array<Slot, 2> slots_;
  std::size_t current_ = 0;  // the slot that counts
  std::uint64_t checkpoint_ = 0;
  Extent extent_;
  std::vector<std::unique_ptr<MapPage>> pages_;  // null: all absent
};

}  // namespace v2vfs::fs
