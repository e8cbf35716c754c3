// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <span>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"
#include "inspect/base/text.h"

// VHD, "Virtual Hard Disk Image Format Specification" 1.0, sections "Hard Disk Footer Format" and
// "Dynamic Disk Header Format". Numbers are big-endian.

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kFooterBytes = 512;
constexpr std::uint64_t kDynamicBytes = 1024;
constexpr std::size_t kChecksumAt = 64;
constexpr std::size_t kDynamicChecksumAt = 36;
constexpr std::uint32_t kFixed = 2;
constexpr std::uint32_t kDynamic = 3;
constexpr std::uint32_t kDifferencing = 4;
constexpr std::uint64_t kMostGeometry = 65535ull * 16 * 255;  // of sectors; larger disks say this

/// The complement of the sum of all bytes but the checksum's own.
bool checksum_fits(const ImageFields& fields, std::size_t checksum_at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < fields.all().size(); ++i) {
    if (i < checksum_at || i >= checksum_at + 4) sum += static_cast<std::uint8_t>(fields.all()[i]);
  }
  return ~sum == fields.big<std::uint32_t>(checksum_at);
}

struct Footer {
  std::uint32_t disk_type = 0;
  std::uint64_t header_offset = 0;
  std::uint64_t current_bytes = 0;
  std::uint64_t geometry_bytes = 0;
  std::string creator;
};

Footer read_footer(const ImageFields& fields) {
  Footer footer;
  footer.disk_type = fields.big<std::uint32_t>(60);
  footer.header_offset = fields.big<std::uint64_t>(16);
  footer.current_bytes = fields.big<std::uint64_t>(48);
  footer.geometry_bytes = kImageSector * fields.big<std::uint16_t>(56) *
                          static_cast<std::uint64_t>(fields.all()[58]) *
                          static_cast<std::uint64_t>(fields.all()[59]);
  footer.creator = fields.text(28, 4);
  return footer;
}

/// Virtual PC, and qemu before it had a name of its own for it ("qem2"), show the disk that the
/// geometry makes; everybody else the size. A disk of the largest geometry is larger than that.
void take_size(const Footer& footer, ImageHeader& header) {
  const bool shows_geometry = footer.creator == "vpc " || footer.creator == "qemu";
  header.is_size_by_geometry = shows_geometry &&
                               footer.geometry_bytes != kMostGeometry * kImageSector &&
                               footer.geometry_bytes != 0;
  header.virtual_bytes = header.is_size_by_geometry ? footer.geometry_bytes : footer.current_bytes;
  if (footer.geometry_bytes == footer.current_bytes || !shows_geometry) return;
  header.assumptions.push_back(fmt::format(
      "A VHD made by \"{}\" says {} bytes and a geometry of {}: the disk is taken for {} bytes.",
      clean_text(footer.creator), footer.current_bytes, footer.geometry_bytes,
      header.virtual_bytes));
}

void refuse_type(const inspect::SourceFile& file, std::uint32_t type) {
  if (type == kDifferencing) {
    refuse_image(file, 60,
                 "it holds only the differences to a parent disk, which is not served for VHD; "
                 "merge it into its parent first",
                 EOPNOTSUPP);
  }
  refuse_image(file, 60, fmt::format("a VHD of type {} is not known", type), EIO);
}

}  // namespace

bool has_vhd_footer(const inspect::SourceFile& file) {
  if (!file.host_range() || file.length() < 2 * kFooterBytes) return false;
  const ImageFields fields(file, file.length() - kFooterBytes, kFooterBytes);
  return fields.text(0, 8) == "conectix" && checksum_fits(fields, kChecksumAt);
}

ImageHeader read_vhd_fixed(const inspect::SourceFile& file) {
  if (file.length() < 2 * kFooterBytes) refuse_image(file, 0, "it is too short for a VHD", EIO);
  const std::uint64_t at = file.length() - kFooterBytes;
  const ImageFields fields(file, at, kFooterBytes);
  const Footer footer = read_footer(fields);
  if (footer.disk_type == kDynamic) {
    refuse_image(file, 0, "its footer is that of a dynamic VHD, and its header is damaged", EIO);
  }
  if (footer.disk_type != kFixed) refuse_type(file, footer.disk_type);
  ImageHeader header;
  header.format = ImageFormat::vhd_fixed;
  take_size(footer, header);
  header.parts = {{at, kFooterBytes}};
  if (header.virtual_bytes == 0 || header.virtual_bytes % kImageSector != 0) {
    refuse_image(file, at + 48,
                 fmt::format("a disk of {} bytes is not served", header.virtual_bytes), EIO);
  }
  if (header.virtual_bytes > at) {
    refuse_image(file, at,
                 fmt::format("the disk of {} bytes ends here: the copy is cut off, or "
                             "its footer is another disk's",
                             header.virtual_bytes),
                 EIO);
  }
  return header;
}

ImageHeader read_vhd(const inspect::SourceFile& file) {
  const ImageFields fields(file, 0, kFooterBytes);
  const Footer footer = read_footer(fields);
  if (footer.disk_type != kDynamic) refuse_type(file, footer.disk_type);
  ImageHeader header;
  header.format = ImageFormat::vhd;
  take_size(footer, header);
  const ImageFields dynamic(file, footer.header_offset, kDynamicBytes);
  if (dynamic.text(0, 8) != "cxsparse") {
    refuse_image(file, footer.header_offset, "the header of a dynamic VHD should be here", EIO);
  }
  if (!checksum_fits(fields, kChecksumAt) || !checksum_fits(dynamic, kDynamicChecksumAt)) {
    header.assumptions.push_back(
        fmt::format("The header's checksum in {} is wrong; it is read "
                    "nevertheless.",
                    file.name()));
  }
  header.table_offset = dynamic.big<std::uint64_t>(16);
  header.table_entries = dynamic.big<std::uint32_t>(28);
  header.block_bytes = dynamic.big<std::uint32_t>(32);
  header.entry_unit = kImageSector;
  // One bit a sector, in whole sectors.
  header.block_prefix =
      ceil_div(ceil_div(header.block_bytes / kImageSector, 8), kImageSector) * kImageSector;
  header.parts = {{0, kFooterBytes}, {footer.header_offset, kDynamicBytes}};
  check_image(file, header);
  return header;
}

}  // namespace v2vfs::convert
