// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fs/overlay/format.h"
#include "fs/overlay/io.h"

namespace v2vfs::fs {

/// What became durable since the last checkpoint: an array of records, kept twice (the second copy
/// in the second half of the file), so that one damaged bit cannot make a durable record look like
/// the torn end. It is never cleared: a record counts if it carries the number of the checkpoint
/// that counts, so the next checkpoint resets it. Not thread safe.
class Journal {
 public:
  static void make(Io& io, const std::string& folder, const Head& head, const StoreRules& rules);
  Journal(Io& io, const std::string& folder, const Head& head, const StoreRules& rules);

  /// The records after `checkpoint`, up to the first that is in neither copy. append() goes on
  /// there.
  std::vector<JournalRecord> replay(std::uint64_t checkpoint);
  bool has_room_for(std::size_t records) const { return records <= capacity_ - used_; }
  /// Fills in checkpoint and checksum, writes the records and makes them durable.
  void append(std::span<JournalRecord> records, std::uint64_t checkpoint);
  /// After a checkpoint: the next record is the first.
  void reset() { used_ = 0; }

 private:
  bool is_valid(const JournalRecord& record, std::uint64_t checkpoint) const;

  const StoreRules rules_;
  std::unique_ptr<IoFile> file_;
  std::size_t capacity_;  // records
  std::size_t used_ = 0;
};

}  // namespace v2vfs::fs
