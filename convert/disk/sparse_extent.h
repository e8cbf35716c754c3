// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "convert/disk/disk_view.h"
#include "convert/disk/grain_scan.h"
#include "convert/disk/grain_tables.h"
#include "convert/disk/loading_cache.h"

namespace v2vfs::convert {

/// A stretch of what one image of a chain has to say.
enum class PieceKind {
  absent,  // nothing: it is as in the parent
  zeros,
  data,  // or damage
};
struct Piece {
  std::uint64_t end = 0;  // exclusive
  PieceKind kind = PieceKind::absent;
};

/// One sparse extent: the guest's bytes in it, whatever its grains are. Thread safe once scanned.
class SparseExtent {
 public:
  /// Reads header and directory; throws Error as they do.
  SparseExtent(inspect::SourceFile file, SparseKind kind);

  const inspect::SourceFile& file() const { return file_; }
  const SparseHeader& header() const { return tables_.header(); }
  const GrainTables& tables() const { return tables_; }

  /// Reads all tables once; before anything below is called.
  void scan(bool want_starts, Digest& digest);
  const GrainScan& scanned() const { return scan_; }
  /// Hands over the starts, which nothing here needs.
  std::vector<std::uint32_t> take_starts() { return std::move(scan_.starts); }

  /// Guest bytes from `offset`, absent ones as zeros; the range lies inside the capacity. Throws
  /// Error(EIO) with file and offset for what is damaged.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// A piece of guest bytes; looks no further than `limit`, and the next one may be of the same
  /// kind.
  Piece piece_at(std::uint64_t offset, std::uint64_t limit) const;

  /// Inflates and checks the deflated grain at `sector`: marker, Adler-32, length. A grain whose
  /// marker is there must be the one that the tables place here; `index` is used where there are no
  /// markers. `out` is a grain's size; what a short last grain lacks beyond the disk's end is
  /// zeros.
  void inflate(std::uint64_t sector, std::optional<std::uint64_t> index,
               std::span<std::byte> out) const;

 private:
  struct Body {  // of a deflated grain: the zlib stream
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  std::uint64_t grain_bytes(std::uint64_t index) const;  // within the capacity
  Body body_of(std::uint64_t sector, std::optional<std::uint64_t>& index) const;
  void read_grains(std::uint64_t first, std::span<const Grain> grains, std::uint64_t skip,
                   std::span<std::byte> out) const;
  std::size_t raw_run(std::span<const Grain> grains) const;
  void read_run(std::uint64_t index, const Grain& grain, std::uint64_t skip,
                std::span<std::byte> out) const;
  void read_deflated(std::uint64_t index, std::uint64_t sector, std::uint64_t skip,
                     std::span<std::byte> out) const;
  [[noreturn]] void fail_damaged(std::uint64_t index) const;

  inspect::SourceFile file_;
  GrainTables tables_;
  GrainScan scan_;
  mutable LoadingCache<std::vector<std::byte>> inflated_;
};

}  // namespace v2vfs::convert
