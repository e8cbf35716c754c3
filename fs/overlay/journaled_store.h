// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "fs/overlay/block_range.h"
#include "fs/overlay/checkpoint_map.h"
#include "fs/overlay/format.h"
#include "fs/overlay/group_commit.h"
#include "fs/overlay/io.h"
#include "fs/overlay/journal.h"
#include "fs/overlay/live_map.h"
#include "fs/overlay/overlay_store.h"
#include "fs/overlay/store_rules.h"

namespace v2vfs::fs {

/// The OverlayStore.
///
/// Two maps say what a block is. The live map (LiveMap) is what readers and writers go by; it
/// changes with every first write and lives as long as this boot. The checkpoint map is what is
/// durable; only a barrier changes it. Between them stands `pending_`: the changes of the live map,
/// in the order in which they were made, that no barrier has taken yet.
///
/// Locks, in the order in which they are taken:
///   shape_     shared by write() and punch(), exclusive for resize(): the size and what lies past
///   it regions_   one for each stretch of 16 blocks, striped: the blocks of a region change one at
///   a time pending_mutex_, poison_mutex_: leaves
/// read() takes none. A barrier holds shape_ and pending_mutex_ only while it takes the pending
/// changes, never across a sync.
class JournaledStore final : public OverlayStore {
 public:
  static std::unique_ptr<JournaledStore> open(Io& io, const std::string& folder,
                                              std::shared_ptr<BaseImage> base,
                                              const StoreRules& rules);
  static std::unique_ptr<JournaledStore> create(Io& io, const std::string& folder,
                                                std::shared_ptr<BaseImage> base,
                                                const OverlayIdentity& identity,
                                                const StoreGeometry& geometry,
                                                const StoreRules& rules);
  static std::optional<Head> read_head(Io& io, const std::string& folder, const StoreRules& rules);

  std::uint64_t bytes() const override { return live_->bytes(); }
  std::uint64_t allocated_bytes() const override;
  std::uint64_t overlay_bytes() const override;
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override;
  void write(std::uint64_t offset, std::span<const std::byte> in) override;
  void punch(std::uint64_t offset, std::uint64_t length) override;
  void resize(std::uint64_t bytes) override;
  void barrier() override;
  BaseImage::Stretch stretch_at(std::uint64_t offset) override;
  std::optional<Written> next_written(std::uint64_t offset) override;
  std::string poison() const override;
  std::uint64_t generation() const override { return head_.generation; }

 private:
  struct Pending {
    std::vector<BlockRun> runs;
    Extent extent;
  };

  JournaledStore(Io& io, const std::string& folder, std::shared_ptr<BaseImage> base, Head head,
                 const StoreRules& rules);

  // store_open.cpp: recovery
  void replay();
  void settle(bool same_boot);
  void keep(bool same_boot);

  // store_access.cpp: reading and writing blocks; offsets lie inside one region, its lock is held
  void read_run(BlockState state, std::uint64_t offset, std::span<std::byte> out);
  void read_base(std::uint64_t offset, std::span<std::byte> out);
  std::uint64_t base_limit() const;
  void write_piece(std::uint64_t offset, std::span<const std::byte> in);
  void write_part(std::uint64_t offset, std::span<const std::byte> in);
  void write_blocks(std::uint64_t offset, std::span<const std::byte> in, std::uint64_t first,
                    std::uint64_t count);
  void punch_piece(ByteRange piece);
  void punch_part(ByteRange part);
  void punch_blocks(ByteRange body);

  // journaled_store.cpp
  template <typename Piece>
  void each_region(ByteRange range, Piece&& piece);
  std::shared_lock<std::shared_mutex> lock_shape_for(std::uint64_t end);
  void cover(std::uint64_t end);
  void cut_off();
  void undo_failed_extension();
  void mark(const BlockRun& wanted);
  void relieve();
  Pending take_pending();
  void run_barrier();
  void sync_data();
  void commit(const Pending& pending);
  void set_poison(const std::string& why);
  void refuse_if_poisoned() const;

  // allocation.cpp: what st_blocks says
  std::uint64_t base_data_bytes(ByteRange range) const;
  void count_allocated();
  void account(const BlockRun& old, BlockState now);

  std::uint64_t block_bytes() const { return head_.geometry.block_bytes; }
  std::uint64_t blocks_for(std::uint64_t bytes) const;

  const StoreRules rules_;
  const std::string folder_;
  const std::shared_ptr<BaseImage> base_;
  const Head head_;
  Io& io_;
  std::unique_ptr<IoFile> data_;
  std::unique_ptr<LiveMap> live_;
  CheckpointMap durable_;  // of the barrier, as is journal_
  Journal journal_;

  mutable std::shared_mutex shape_;
  static constexpr std::uint64_t kRegionBlocks = 16;
  std::array<std::mutex, 64> regions_;
  std::mutex pending_mutex_;
  std::vector<BlockRun> pending_;
  GroupCommit barriers_;

  std::atomic<bool> poisoned_{false};
  mutable std::mutex poison_mutex_;
  std::string poison_;

  std::atomic<std::int64_t> present_blocks_{0};
  std::atomic<std::int64_t> allocated_{0};
};

}  // namespace v2vfs::fs
