// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "convert/disk/loading_cache.h"
#include "convert/disk/vmdk_sparse_header.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

enum class GrainKind {
  hole,     // reads as zeros: never written, or a zeroed grain
  stored,   // lies at `sector` of the extent's file
  damaged,  // its table or entry points outside the file: nobody knows what it held
};

struct Grain {
  GrainKind kind = GrainKind::hole;
  std::uint32_t sector = 0;
};

/// The grain directory (in memory, 4 bytes for 512 grains) and the grain tables (read when needed,
/// through a bounded cache) of one sparse extent. Thread safe.
///
/// A table that cannot be read is an Error, for it may be readable tomorrow; a table or entry whose
/// content points outside the file makes its grains `damaged`. The redundant copy of the tables is
/// never used in the place of the first one: where the two disagree there is no saying who is
/// right.
class GrainTables {
 public:
  using Table = std::array<std::uint32_t, kEntriesPerTable>;  // host byte order
  enum class TableKind { absent, stored, damaged };

  /// Throws Error(EIO) if the directory lies outside the file or cannot be read, EOPNOTSUPP if it
  /// is larger than 32 MiB.
  GrainTables(inspect::SourceFile file, const SparseHeader& header);

  const SparseHeader& header() const { return header_; }
  std::uint64_t table_count() const { return directory_.size(); }
  TableKind table_kind(std::uint64_t table) const;
  std::uint32_t table_sector(std::uint64_t table) const { return directory_[table]; }
  const std::vector<std::uint32_t>& directory() const { return directory_; }

  /// Reads a stored table past the cache.
  Table read_table(std::uint64_t table) const;

  Grain grain(std::uint64_t index) const;
  /// The same for many grains in a row, past the cache. The range lies inside the extent.
  void grains(std::uint64_t first, std::span<Grain> out) const;
  /// What `entry` says of the grain `index`, were it in its table.
  Grain classify(std::uint64_t index, std::uint32_t entry) const;

 private:
  std::vector<std::uint32_t> read_directory(std::uint64_t sector) const;

  inspect::SourceFile file_;
  SparseHeader header_;
  std::vector<std::uint32_t> directory_;
  std::vector<bool> missing_;  // absent here, but not in the redundant copy; empty: none
  mutable LoadingCache<Table> cache_;
};

}  // namespace v2vfs::convert
