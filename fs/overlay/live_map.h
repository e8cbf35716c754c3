// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "fs/overlay/block_range.h"
#include "fs/overlay/format.h"
#include "fs/overlay/io.h"

namespace v2vfs::fs {

class CheckpointMap;

/// The map that readers and writers use: 2 bits a block, the size, the poison, in a shared mapping
/// of the file `live`. What is set here before a reply survives the death of the process, because
/// the page cache does; it says nothing after a power cut, because the kernel may have written it
/// before the data, so it carries the name of the cache's life (Io::cache_life) and is ignored in
/// any other.
///
/// Thread safe and free of locks: a reader may look at any block at any time. Changes of one block
/// must not run at the same time (the store's region locks see to it).
class LiveMap {
 public:
  /// The map of this life of the page cache; nullptr if there is none.
  static std::unique_ptr<LiveMap> attach(Io& io, const std::string& folder, const Head& head,
                                         const StoreRules& rules);
  /// A new one that says what `durable` says.
  static std::unique_ptr<LiveMap> make(Io& io, const std::string& folder, const Head& head,
                                       const CheckpointMap& durable, const StoreRules& rules);

  BlockState at(std::uint64_t block) const;
  /// The run that begins at `block` and ends before `end` at the latest.
  BlockRun run_at(std::uint64_t block, std::uint64_t end) const;
  void set(const BlockRun& run);
  /// The 32 blocks from 32 * index on.
  std::uint64_t word(std::uint64_t index) const;

  std::uint64_t bytes() const;
  std::uint64_t low_water() const;
  Extent extent() const { return {bytes(), low_water()}; }
  void set_bytes(std::uint64_t bytes);
  void raise_bytes(std::uint64_t bytes);  // to at least `bytes`
  void set_low_water(std::uint64_t bytes);

  bool is_poisoned() const;
  std::string poison() const;  // the reason
  void set_poison(const std::string& reason);

  /// Blocks below this may be set. Grows (and never shrinks) by cover().
  std::uint64_t covered_blocks() const { return covered_.load(std::memory_order_acquire); }
  void cover(std::uint64_t blocks);

 private:
  struct Header;
  LiveMap(std::unique_ptr<IoFile> file, const Head& head, bool preallocate);
  Header& header() const;
  std::atomic_ref<std::uint64_t> word_ref(std::uint64_t index) const;

  std::unique_ptr<IoFile> file_;
  std::unique_ptr<IoMapping> mapping_;
  std::uint64_t max_blocks_;
  bool preallocate_;
  std::atomic<std::uint64_t> covered_{0};
};

}  // namespace v2vfs::fs
