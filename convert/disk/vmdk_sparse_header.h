// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "inspect/source/source_file.h"

/// The header of a sparse extent ("Virtual Disk Format 5.0", sections "Hosted Sparse Extents" and
/// "Stream-Optimized Compressed Sparse Extents"; vmdk_delta_header.h reads the other kinds). Places
/// and sizes in it are sectors of 512 bytes.
namespace v2vfs::convert {

inline constexpr std::uint64_t kSectorBytes = 512;
inline constexpr std::uint32_t kEntriesPerTable = 512;  // of hosted extents
/// "KDMV" as the file begins with it.
inline constexpr std::uint32_t kSparseMagic = 0x564d444b;

enum class SparseKind {
  hosted,     // Workstation's, and what exports are made of
  cowd,       // ESX's copy on write: deltas of VMFS 3 and 5
  se_sparse,  // "space efficient": deltas of VMFS 6, and of disks above 2 TiB
};

/// What is needed to find the grains of an extent, of whatever kind it is.
struct SparseHeader {
  SparseKind kind = SparseKind::hosted;
  std::uint32_t version = 0;
  std::uint32_t flags = 0;
  std::uint64_t capacity_sectors = 0;
  std::uint64_t grain_sectors = 0;
  std::uint64_t descriptor_sector = 0;  // 0: none embedded
  std::uint64_t descriptor_sectors = 0;
  std::uint64_t redundant_directory_sector = 0;  // 0: none
  std::uint64_t directory_sector = 0;
  std::optional<std::uint64_t>
      footer_sector;  // where the footer was, if the directory stands there
  bool unclean_shutdown = false;
  bool compressed = false;       // grains are zlib streams
  bool has_markers = false;      // 12 bytes (LBA u64, size u32) before each compressed grain
  bool has_zero_grains = false;  // table entry 1 means zeros
  bool has_redundant_copy = false;
  std::uint32_t entries_per_table = kEntriesPerTable;
  // seSparse: its entries are numbers of tables and grains, counted from these sectors on.
  std::uint64_t tables_sector = 0;
  std::uint64_t tables_sectors = 0;
  std::uint64_t grains_sector = 0;

  std::uint64_t grain_bytes() const { return grain_sectors * kSectorBytes; }
  std::uint64_t capacity_bytes() const { return capacity_sectors * kSectorBytes; }
  std::uint64_t entry_bytes() const { return kind == SparseKind::se_sparse ? 8 : 4; }
  std::uint64_t table_bytes() const { return entries_per_table * entry_bytes(); }
  std::uint64_t grain_count() const;
  std::uint64_t table_count() const;
};

/// Reads and checks the header, and the footer where the header says that the directory's place
/// stands there. Throws Error with file and offset: EIO for damage (a cut-off file among it),
/// EOPNOTSUPP for what is beyond the limits (grains of 4 KiB to 4 MiB, capacity 2^53 bytes, 512
/// entries per table).
SparseHeader read_sparse_header(const inspect::SourceFile& file);

/// The pure part: 512 bytes that stand at `offset` of the file `name`.
SparseHeader parse_sparse_header(std::span<const std::byte, kSectorBytes> bytes,
                                 std::string_view name, std::uint64_t offset);

}  // namespace v2vfs::convert
