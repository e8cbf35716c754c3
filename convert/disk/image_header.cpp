// SPDX-License-Identifier: MIT
#include "convert/disk/image_header.h"

#include <fmt/core.h>

#include <cerrno>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::uint64_t kLargestBlock = std::uint64_t{256} << 20;

}  // namespace

std::string_view format_name(ImageFormat format) {
  switch (format) {
    case ImageFormat::raw:
      return "raw";
    case ImageFormat::vhd_fixed:
    case ImageFormat::vhd:
      return "VHD";
    case ImageFormat::vhdx:
      return "VHDX";
    case ImageFormat::vdi:
      return "VDI";
    case ImageFormat::qcow2:
      return "qcow2";
    case ImageFormat::qed:
      return "QED";
    case ImageFormat::parallels:
      return "Parallels";
  }
  return "raw";
}

std::optional<ImageFormat> tell_image(const inspect::SourceFile& file) {
  const std::string head = file.head(kImageSector);
  const std::string_view text = head;
  if (text.starts_with("QFI\xfb"sv)) return ImageFormat::qcow2;
  if (text.starts_with("conectix"sv)) return ImageFormat::vhd;
  if (text.starts_with("vhdxfile"sv)) return ImageFormat::vhdx;
  if (text.starts_with("QED\0"sv)) return ImageFormat::qed;
  if (text.starts_with("WithoutFreeSpace"sv) || text.starts_with("WithouFreSpacExt"sv)) {
    return ImageFormat::parallels;
  }
  if (text.size() >= 68 && text.substr(64, 4) == "\x7f\x10\xda\xbe"sv) return ImageFormat::vdi;
  if (has_vhd_footer(file)) return ImageFormat::vhd_fixed;
  return std::nullopt;
}

ImageHeader read_image_header(const inspect::SourceFile& file, ImageFormat format) {
  switch (format) {
    case ImageFormat::raw:
      break;
    case ImageFormat::vhd_fixed:
      return read_vhd_fixed(file);
    case ImageFormat::vhd:
      return read_vhd(file);
    case ImageFormat::vhdx:
      return read_vhdx(file);
    case ImageFormat::vdi:
      return read_vdi(file);
    case ImageFormat::qcow2:
      return read_qcow2(file);
    case ImageFormat::qed:
      return read_qed(file);
    case ImageFormat::parallels:
      return read_parallels(file);
  }
  ImageHeader raw;
  raw.virtual_bytes = round_up(file.length(), kImageSector);
  return raw;
}

ImageFields::ImageFields(const inspect::SourceFile& file, std::uint64_t offset, std::size_t bytes) {
  if (!range_fits(offset, bytes, file.length())) {
    throw file_error(EIO, file.name(), offset, "the file ends inside its header");
  }
  bytes_.resize(bytes);
  file.read(offset, bytes_);
}

std::string_view ImageFields::text(std::size_t at, std::size_t bytes) const {
  return {reinterpret_cast<const char*>(bytes_.data()) + at, bytes};
}

bool ImageFields::is_zero(std::size_t at, std::size_t bytes) const {
  return text(at, bytes).find_first_not_of('\0') == std::string_view::npos;
}

void refuse_image(const inspect::SourceFile& file, std::uint64_t offset, std::string_view sentence,
                  int error_number) {
  throw file_error(error_number, file.name(), offset, sentence);
}

void check_image(const inspect::SourceFile& file, const ImageHeader& header) {
  const auto refuse = [&](std::string_view sentence) { refuse_image(file, 0, sentence, EIO); };
  if (header.virtual_bytes == 0 || header.virtual_bytes > kMostVirtualBytes ||
      header.virtual_bytes % kImageSector != 0) {
    refuse(fmt::format("a disk of {} bytes is not served", header.virtual_bytes));
  }
  if (!is_power_of_two(header.block_bytes) || header.block_bytes < kImageSector ||
      header.block_bytes > kLargestBlock) {
    refuse(fmt::format("blocks of {} bytes are not served", header.block_bytes));
  }
  const std::uint64_t first_entry = header.second_table_bytes != 0 ? 8 : header.entry_bytes;
  const std::uint64_t covered =
      header.second_table_bytes != 0
          ? header.second_table_bytes / header.entry_bytes * header.block_bytes
          : header.block_bytes;
  if (header.table_entries > kMostTableEntries ||
      header.table_entries < ceil_div(header.virtual_bytes, covered)) {
    refuse(fmt::format("a table of {} entries does not fit a disk of {} bytes",
                       header.table_entries, header.virtual_bytes));
  }
  if (!range_fits(header.table_offset, header.table_entries * first_entry, file.length())) {
    refuse("its table lies outside the file: it is cut off, or damaged");
  }
}

}  // namespace v2vfs::convert
