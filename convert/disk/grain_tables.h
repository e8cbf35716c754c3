// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "convert/disk/loading_cache.h"
#include "convert/disk/vmdk_sparse_header.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

enum class GrainKind {
  hole,     // never written: zeros, or what the parent of a delta disk has
  zero,     // written with zeros, whatever a parent has
  stored,   // lies at `sector` of the extent's file
  damaged,  // its table or entry points outside the file: nobody knows what it held
};

struct Grain {
  GrainKind kind = GrainKind::hole;
  std::uint64_t sector = 0;
};

/// The grain directory (in memory, 4 bytes a table) and the grain tables (read when needed, through
/// a bounded cache) of one sparse extent. Thread safe.
///
/// A table that cannot be read is an Error, for it may be readable tomorrow; a table or entry whose
/// content points outside the file makes its grains `damaged`. The redundant copy of the tables is
/// never used in the place of the first one: where the two disagree there is no saying who is
/// right.
class GrainTables {
 public:
  using Table = std::vector<std::byte>;  // as it lies in the file
  enum class TableKind { absent, stored, damaged };

  /// Throws Error: EIO if the directory lies outside the file, cannot be read, or (deltas of ESX)
  /// names a table twice; EOPNOTSUPP if it has more than 8 Mi entries.
  GrainTables(inspect::SourceFile file, const SparseHeader& header);

  const SparseHeader& header() const { return header_; }
  std::uint64_t table_count() const { return directory_.size(); }
  TableKind table_kind(std::uint64_t table) const;
  /// Where a table that is stored or damaged lies.
  std::uint64_t table_sector(std::uint64_t table) const;
  /// A number for each table, 0: absent. For a digest.
  const std::vector<std::uint32_t>& directory() const { return directory_; }

  /// Reads a stored table past the cache.
  Table read_table(std::uint64_t table) const;
  /// What `table` says of the grain `index`, which is one of its own.
  Grain grain_in(const Table& table, std::uint64_t index) const;

  Grain grain(std::uint64_t index) const;
  /// Grains from `first` on, through the cache, up to the end of its table at most; returns how
  /// many. The range lies inside the extent.
  std::size_t grains_from(std::uint64_t first, std::span<Grain> out) const;
  /// The same for many grains in a row, past the cache.
  void grains(std::uint64_t first, std::span<Grain> out) const;

  /// Grains of [index, last) that are of one kind, from the first on; their table's end ends it, or
  /// the extent's.
  struct Run {
    GrainKind kind = GrainKind::hole;
    std::uint64_t count = 0;
  };
  Run run_at(std::uint64_t index, std::uint64_t last) const;

 private:
  std::vector<std::uint32_t> read_directory(std::uint64_t sector) const;
  void check_own_places() const;
  std::shared_ptr<const Table> cached(std::uint64_t table) const;
  std::uint64_t entry_of(const Table& table, std::uint64_t index) const;
  Grain classify(std::uint64_t index, std::uint64_t entry) const;
  Grain classify_se_sparse(std::uint64_t index, std::uint64_t entry) const;
  Grain stored_at(std::uint64_t index, std::uint64_t sector) const;

  inspect::SourceFile file_;
  SparseHeader header_;
  // Hosted and COWD: the tables' sectors. seSparse: their numbers and 1. 0: absent.
  std::vector<std::uint32_t> directory_;
  std::vector<bool> missing_;  // absent here, but not in the redundant copy; empty: none
  mutable LoadingCache<Table> cache_;
};

}  // namespace v2vfs::convert
