// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "convert/disk/image_header.h"
#include "inspect/base/byte_order.h"

namespace v2vfs::convert {

inline constexpr std::uint64_t kImageSector = 512;
/// Of a disk: no format's own limit is above it, and no count below overflows.
inline constexpr std::uint64_t kMostVirtualBytes = std::uint64_t{1} << 53;
/// Entries of a first table.
inline constexpr std::uint64_t kMostTableEntries = std::uint64_t{1} << 26;

/// A piece of a header in memory, and its numbers by their place. Places lie inside: whoever asks
/// knows how much was read.
class ImageFields {
 public:
  /// Throws Error(EIO) if the file ends before.
  ImageFields(const inspect::SourceFile& file, std::uint64_t offset, std::size_t bytes);

  template <typename Number>
  Number big(std::size_t at) const {
    return load_big_endian<Number>(bytes_.data() + at);
  }
  template <typename Number>
  Number little(std::size_t at) const {
    return load_little_endian<Number>(bytes_.data() + at);
  }
  std::string_view text(std::size_t at, std::size_t bytes) const;
  bool is_zero(std::size_t at, std::size_t bytes) const;
  const std::vector<std::byte>& all() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Throws Error(`error_number`) with the file's name and `offset`.
[[noreturn]] void refuse_image(const inspect::SourceFile& file, std::uint64_t offset,
                               std::string_view sentence, int error_number);

/// The checks that all of them share: the size in whole sectors and below the limit, blocks that
/// are powers of two from 512 bytes to 256 MiB, a first table of sound length inside the file that
/// has an entry for each block.
void check_image(const inspect::SourceFile& file, const ImageHeader& header);

// One for each format; read_image_header chooses.
ImageHeader read_vhd(const inspect::SourceFile& file);
ImageHeader read_vhd_fixed(const inspect::SourceFile& file);
ImageHeader read_vhdx(const inspect::SourceFile& file);
ImageHeader read_vdi(const inspect::SourceFile& file);
ImageHeader read_qcow2(const inspect::SourceFile& file);
ImageHeader read_qed(const inspect::SourceFile& file);
ImageHeader read_parallels(const inspect::SourceFile& file);

/// True if the file ends with the footer of a VHD whose checksum is right.
bool has_vhd_footer(const inspect::SourceFile& file);

}  // namespace v2vfs::convert
