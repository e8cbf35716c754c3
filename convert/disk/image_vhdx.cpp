// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"

// VHDX, [MS-VHDX] 2.2 (header section), 2.5 (block allocation table) and 2.6 (metadata region).
// Numbers are little-endian, a GUID's first three among them.

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::array<std::uint64_t, 2> kHeadersAt = {64 * kKiB, 128 * kKiB};
constexpr std::uint64_t kHeaderBytes = 4 * kKiB;
constexpr std::array<std::uint64_t, 2> kRegionTablesAt = {192 * kKiB, 256 * kKiB};
constexpr std::uint64_t kTableBytes = 64 * kKiB;
constexpr std::uint32_t kMostRegions = 2047;
constexpr std::uint32_t kMostItems = 2047;
constexpr std::size_t kEntryBytes = 32;
constexpr std::size_t kGuidBytes = 16;

/// As they lie in the file.
constexpr std::string_view kBatRegion(
    "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08", kGuidBytes);
constexpr std::string_view kMetadataRegion(
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e", kGuidBytes);
constexpr std::string_view kFileParameters(
    "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b", kGuidBytes);
constexpr std::string_view kVirtualDiskSize(
    "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8", kGuidBytes);
constexpr std::string_view kLogicalSectorSize(
    "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f", kGuidBytes);

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = (table[i] >> 1) ^ (table[i] & 1 ? 0x82f63b78U : 0);
  }
  return table;
}

/// CRC-32C (Castagnoli) of `fields`, with the four bytes at `checksum_at` taken for zeros.
std::uint32_t crc32c(const ImageFields& fields, std::size_t checksum_at) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < fields.all().size(); ++i) {
    const bool is_own = i >= checksum_at && i < checksum_at + 4;
    const auto byte = is_own ? 0U : static_cast<std::uint32_t>(fields.all()[i]);
    crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
  }
  return ~crc;
}

bool is_sound(const ImageFields& fields, std::string_view signature) {
  return fields.text(0, 4) == signature && fields.little<std::uint32_t>(4) == crc32c(fields, 4);
}

/// 2.2.2: of two headers the valid one with the higher sequence number is in force. What stands in
/// its log is not in the tables yet.
std::uint64_t header_in_force(const inspect::SourceFile& file) {
  std::optional<std::uint64_t> found;
  std::uint64_t sequence = 0;
  bool has_log = false;
  for (const std::uint64_t at : kHeadersAt) {
    const ImageFields fields(file, at, kHeaderBytes);
    if (!is_sound(fields, "head")) continue;
    if (found && fields.little<std::uint64_t>(8) <= sequence) continue;
    found = at;
    sequence = fields.little<std::uint64_t>(8);
    has_log = !fields.is_zero(48, kGuidBytes);
    if (fields.little<std::uint16_t>(66) != 1) {
      refuse_image(file, at + 66, "this version of VHDX is not known", EOPNOTSUPP);
    }
  }
  if (!found) refuse_image(file, kHeadersAt[0], "both headers of the VHDX are damaged", EIO);
  if (has_log) {
    refuse_image(file, *found + 48,
                 "it was not closed by its last writer, and its log is to be replayed; attach it "
                 "once where it came from, or run qemu-img check -r all on a copy",
                 EOPNOTSUPP);
  }
  return *found;
}

std::map<std::string, ByteRange> read_regions(const inspect::SourceFile& file,
                                              ImageHeader& header) {
  for (const std::uint64_t at : kRegionTablesAt) {
    const ImageFields fields(file, at, kTableBytes);
    if (!is_sound(fields, "regi")) continue;
    const auto count = fields.little<std::uint32_t>(8);
    if (count > kMostRegions) break;
    header.parts.push_back({at, kTableBytes});
    std::map<std::string, ByteRange> regions;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t entry = 16 + i * kEntryBytes;
      const std::string guid(fields.text(entry, kGuidBytes));
      const bool is_known = guid == kBatRegion || guid == kMetadataRegion;
      if (!is_known && (fields.little<std::uint32_t>(entry + 28) & 1) != 0) {
        refuse_image(file, at + entry, "it needs a region that is not known", EOPNOTSUPP);
      }
      regions[guid] = {fields.little<std::uint64_t>(entry + 16),
                       fields.little<std::uint32_t>(entry + 24)};
    }
    return regions;
  }
  refuse_image(file, kRegionTablesAt[0], "both region tables of the VHDX are damaged", EIO);
}

/// The items of the metadata region that are in the file, by their GUID, with their place.
class Metadata {
 public:
  Metadata(const inspect::SourceFile& file, ByteRange region) : file_(file), region_(region) {
    const ImageFields table(file, region.offset, kTableBytes);
    const auto count = table.little<std::uint16_t>(10);
    if (table.text(0, 8) != "metadata" || count > kMostItems) {
      refuse_image(file, region.offset, "the metadata table should be here", EIO);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t entry = 32 + i * kEntryBytes;
      items_[std::string(table.text(entry, kGuidBytes))] = {
          table.little<std::uint32_t>(entry + 16), table.little<std::uint32_t>(entry + 20)};
    }
  }

  ImageFields item(std::string_view guid, std::size_t bytes) const {
    const auto found = items_.find(std::string(guid));
    if (found == items_.end() || found->second.bytes < bytes ||
        !range_fits(found->second.offset, bytes, region_.bytes)) {
      refuse_image(file_, region_.offset, "a required item of the metadata is missing", EIO);
    }
    return {file_, region_.offset + found->second.offset, bytes};
  }

 private:
  const inspect::SourceFile& file_;
  ByteRange region_;
  std::map<std::string, ByteRange> items_;
};

void read_metadata(const inspect::SourceFile& file, ByteRange region, ImageHeader& header) {
  if (region.bytes < kTableBytes || !range_fits(region.offset, region.bytes, file.length())) {
    refuse_image(file, region.offset, "the metadata region lies outside the file", EIO);
  }
  const Metadata metadata(file, region);
  const ImageFields parameters = metadata.item(kFileParameters, 8);
  header.block_bytes = parameters.little<std::uint32_t>(0);
  if ((parameters.little<std::uint32_t>(4) & 2) != 0) {
    refuse_image(file, region.offset,
                 "it holds only the differences to a parent disk, which QEMU does not read for "
                 "VHDX; merge it into its parent first",
                 EOPNOTSUPP);
  }
  header.virtual_bytes = metadata.item(kVirtualDiskSize, 8).little<std::uint64_t>(0);
  const auto sector = metadata.item(kLogicalSectorSize, 4).little<std::uint32_t>(0);
  if (sector != kImageSector) {
    refuse_image(file, region.offset,
                 fmt::format("its guest sees sectors of {} bytes; only 512 are served", sector),
                 EOPNOTSUPP);
  }
  header.parts.push_back({region.offset, std::min(region.bytes, 2 * kTableBytes)});
}

}  // namespace

ImageHeader read_vhdx(const inspect::SourceFile& file) {
  ImageHeader header;
  header.format = ImageFormat::vhdx;
  header.parts = {{header_in_force(file), kHeaderBytes}};
  std::map<std::string, ByteRange> regions = read_regions(file, header);
  read_metadata(file, regions[std::string(kMetadataRegion)], header);
  if (header.block_bytes < (1 << 20) || !is_power_of_two(header.block_bytes)) {
    refuse_image(file, 0, fmt::format("blocks of {} bytes are no VHDX's", header.block_bytes), EIO);
  }
  const ByteRange bat = regions[std::string(kBatRegion)];
  header.entry_bytes = 8;
  header.table_offset = bat.offset;
  header.chunk_ratio = (kImageSector << 23) / header.block_bytes;
  const std::uint64_t blocks = ceil_div(header.virtual_bytes, header.block_bytes);
  header.table_entries = blocks == 0 ? 0 : blocks + (blocks - 1) / header.chunk_ratio;
  if (header.table_entries > bat.bytes / header.entry_bytes) {
    refuse_image(file, bat.offset, "the block allocation table is too short for the disk", EIO);
  }
  check_image(file, header);
  return header;
}

}  // namespace v2vfs::convert
