// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_sparse_header.h"

#include <array>
#include <cerrno>
#include <string>

#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::convert {
namespace {

// SparseExtentHeader, packed. Offsets in bytes.
enum Field : std::size_t {
  kMagic = 0,
  kVersion = 4,
  kFlags = 8,
  kCapacity = 12,
  kGrainSize = 20,
  kDescriptorOffset = 28,
  kDescriptorSize = 36,
  kTableEntries = 44,
  kRedundantDirectory = 48,
  kDirectory = 56,
  kUncleanShutdown = 72,
  kNewlineTest = 73,
  kCompression = 77,
};

enum Flag : std::uint32_t {
  kHasNewlineTest = 1u << 0,
  kHasRedundantTable = 1u << 1,
  kHasZeroGrains = 1u << 2,
  kCompressedGrains = 1u << 16,
  kMarkers = 1u << 17,
};
constexpr std::uint32_t kKnownFlags =
    kHasNewlineTest | kHasRedundantTable | kHasZeroGrains | kCompressedGrains | kMarkers;

constexpr std::uint64_t kDirectoryAtEnd = ~std::uint64_t{0};
constexpr std::uint64_t kCapacityLimit = std::uint64_t{1} << 44;  // sectors: 2^53 bytes
constexpr std::uint16_t kDeflate = 1;

// The three sectors that end a file whose directory is at its end: a marker, the footer, an end
// mark.
constexpr std::uint64_t kEndSectors = 3;
constexpr std::uint32_t kFooterMarker = 3;
constexpr std::uint32_t kEndMarker = 0;

using Sector = std::array<std::byte, kSectorBytes>;

void check_shape(const SparseHeader& header, std::uint32_t table_entries, std::string_view name,
                 std::uint64_t offset) {
  const auto refuse = [&](int error_number, std::string_view what) {
    throw file_error(error_number, name, offset, what);
  };
  if (header.version < 1 || header.version > 3) refuse(EOPNOTSUPP, "its VMDK version is unknown");
  if (header.flags & ~kKnownFlags) refuse(EOPNOTSUPP, "it has VMDK flags that are unknown");
  if (!is_power_of_two(header.grain_sectors) || header.grain_sectors < 8 ||
      header.grain_sectors > 8192) {
    refuse(EOPNOTSUPP, fmt::format("grains of {} sectors are not served (8 to 8192, powers of two)",
                                   header.grain_sectors));
  }
  if (header.capacity_sectors > kCapacityLimit) {
    refuse(EOPNOTSUPP,
           fmt::format("a capacity of {} sectors is not served", header.capacity_sectors));
  }
  if (table_entries != kEntriesPerTable) {
    refuse(EOPNOTSUPP, fmt::format("grain tables of {} entries are not served", table_entries));
  }
}

void check_transfer(std::span<const std::byte, kSectorBytes> bytes, std::uint32_t flags,
                    std::string_view name, std::uint64_t offset) {
  constexpr std::array<std::byte, 4> kExpected = {std::byte{'\n'}, std::byte{' '}, std::byte{'\r'},
                                                  std::byte{'\n'}};
  if (!(flags & kHasNewlineTest)) return;
  if (std::memcmp(bytes.data() + kNewlineTest, kExpected.data(), kExpected.size()) != 0) {
    throw file_error(EIO, name, offset + kNewlineTest,
                     "its line ends were changed on the way: it was transferred as text");
  }
}

void check_compression(const SparseHeader& header, std::uint16_t algorithm, std::string_view name,
                       std::uint64_t offset) {
  if (header.compressed && algorithm != kDeflate) {
    throw file_error(EOPNOTSUPP, name, offset + kCompression,
                     fmt::format("compression {} is unknown", algorithm));
  }
  if (!header.compressed && (algorithm != 0 || header.has_markers)) {
    throw file_error(EIO, name, offset + kCompression,
                     "the header contradicts itself on whether its grains are compressed");
  }
}

bool is_marker(const Sector& sector, std::uint32_t type) {
  return load_little_endian<std::uint32_t>(sector.data() + 8) == 0 &&
         load_little_endian<std::uint32_t>(sector.data() + 12) == type;
}

bool agree(const SparseHeader& a, const SparseHeader& b) {
  return a.version == b.version && a.flags == b.flags && a.capacity_sectors == b.capacity_sectors &&
         a.grain_sectors == b.grain_sectors;
}

/// The header as the footer completes it.
SparseHeader read_footer(const inspect::SourceFile& file, const SparseHeader& header) {
  const std::uint64_t end = file.length();
  if (end < (1 + kEndSectors) * kSectorBytes) {
    throw file_error(EIO, file.name(), end, "it ends before its footer: it was cut short");
  }
  const std::uint64_t start = end - kEndSectors * kSectorBytes;
  std::array<Sector, kEndSectors> sectors;
  file.read(start, std::as_writable_bytes(std::span(sectors)));
  if (!is_marker(sectors[0], kFooterMarker) || !is_marker(sectors[2], kEndMarker)) {
    throw file_error(EIO, file.name(), start, "it has no footer where it ends: it was cut short");
  }
  SparseHeader footer = parse_sparse_header(sectors[1], file.name(), start + kSectorBytes);
  if (!agree(header, footer)) {
    throw file_error(EIO, file.name(), start + kSectorBytes, "the footer contradicts the header");
  }
  if (footer.directory_sector == kDirectoryAtEnd) {
    throw file_error(EIO, file.name(), start + kSectorBytes, "the footer names no grain directory");
  }
  footer.footer_sector = start / kSectorBytes;
  footer.descriptor_sector = header.descriptor_sector;
  footer.descriptor_sectors = header.descriptor_sectors;
  return footer;
}

}  // namespace

std::uint64_t SparseHeader::grain_count() const {
  return ceil_div(capacity_sectors, grain_sectors);
}
std::uint64_t SparseHeader::table_count() const {
  return ceil_div(grain_count(), entries_per_table);
}

SparseHeader parse_sparse_header(std::span<const std::byte, kSectorBytes> bytes,
                                 std::string_view name, std::uint64_t offset) {
  const auto u32 = [&](Field f) { return load_little_endian<std::uint32_t>(bytes.data() + f); };
  const auto u64 = [&](Field f) { return load_little_endian<std::uint64_t>(bytes.data() + f); };
  if (u32(kMagic) != kSparseMagic) {
    throw file_error(EIO, name, offset, "this is no header of a sparse VMDK extent");
  }
  SparseHeader header;
  header.version = u32(kVersion);
  header.flags = u32(kFlags);
  header.capacity_sectors = u64(kCapacity);
  header.grain_sectors = u64(kGrainSize);
  header.descriptor_sector = u64(kDescriptorOffset);
  header.descriptor_sectors = u64(kDescriptorSize);
  header.redundant_directory_sector = u64(kRedundantDirectory);
  header.directory_sector = u64(kDirectory);
  header.unclean_shutdown = bytes[kUncleanShutdown] != std::byte{0};
  header.compressed = header.flags & kCompressedGrains;
  header.has_markers = header.flags & kMarkers;
  header.has_zero_grains = header.flags & kHasZeroGrains;
  header.has_redundant_copy = header.flags & kHasRedundantTable;
  check_shape(header, u32(kTableEntries), name, offset);
  check_transfer(bytes, header.flags, name, offset);
  check_compression(header, load_little_endian<std::uint16_t>(bytes.data() + kCompression), name,
                    offset);
  return header;
}

SparseHeader read_sparse_header(const inspect::SourceFile& file) {
  Sector sector;
  file.read(0, sector);
  SparseHeader header = parse_sparse_header(sector, file.name(), 0);
  if (header.directory_sector == kDirectoryAtEnd) header = read_footer(file, header);
  if (header.unclean_shutdown) {
    log::warning("{}: its last writer did not close it; it is served as it is", file.name());
  }
  return header;
}

}  // namespace v2vfs::convert
