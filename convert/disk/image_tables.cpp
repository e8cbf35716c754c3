// SPDX-License-Identifier: MIT
#include "convert/disk/image_tables.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>

#include "convert/disk/image_fields.h"
#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::uint64_t kMostSecondTables = std::uint64_t{2} << 30;  // bytes of all of them
constexpr std::size_t kMostDamaged = 1 << 16;
constexpr std::uint64_t kQcow2Place = 0x00fffffffffffe00;
constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;

/// Where the bytes of one block lie.
struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  bool may_end_early = false;  // of the file's last block the end may never have been written
};

class Scan {
 public:
  Scan(const inspect::SourceFile& file, const ImageHeader& header, Digest& digest)
      : file_(file), header_(header), digest_(digest) {}

  ImageTables run() {
    if (header_.second_table_bytes == 0) {
      result_.stored.resize(blocks());
      read_last_table(header_.table_offset, header_.table_entries, 0);
    } else {
      read_first_table();
    }
    settle_ends();
    return std::move(result_);
  }

 private:
  /// Calls `each` with the number of the first entry and some entries.
  template <typename Each>
  void read_pieces(std::uint64_t offset, std::uint64_t entries, std::uint64_t entry_bytes,
                   Each&& each) {
    std::vector<std::byte> piece;
    const std::uint64_t at_once = kPieceBytes / entry_bytes;
    for (std::uint64_t first = 0; first < entries; first += at_once) {
      piece.resize(std::min(at_once, entries - first) * entry_bytes);
      file_.read(offset + first * entry_bytes, piece);
      digest_.add(piece);
      each(first, std::span<const std::byte>(piece));
    }
  }

  std::uint64_t blocks() const { return ceil_div(header_.virtual_bytes, header_.block_bytes); }

  void read_first_table() {
    const std::uint64_t per_table = header_.second_table_bytes / header_.entry_bytes;
    const std::uint64_t used = ceil_div(blocks(), per_table);
    read_pieces(header_.table_offset, used, 8, [&](std::uint64_t first, auto piece) {
      for (std::size_t i = 0; i * 8 < piece.size(); ++i) {
        read_second_table(first + i, first_entry(piece.data() + i * 8), per_table);
      }
    });
  }

  std::uint64_t first_entry(const std::byte* entry) const {
    if (header_.format == ImageFormat::qed) return load_little_endian<std::uint64_t>(entry);
    return load_big_endian<std::uint64_t>(entry) & kQcow2Place;
  }

  void read_second_table(std::uint64_t number, std::uint64_t place, std::uint64_t per_table) {
    const std::uint64_t first = number * per_table;
    const std::uint64_t count = std::min(per_table, blocks() - first);
    if (place <= 1 && (place == 0 || header_.format == ImageFormat::qed)) return;
    if (place % kImageSector != 0 ||
        !range_fits(place, count * header_.entry_bytes, file_.length())) {
      return add_damage(first, count);
    }
    second_tables_ += header_.second_table_bytes;
    if (second_tables_ > kMostSecondTables) {
      throw Error(EOPNOTSUPP, "{}: tables of more than 2 GiB are not served", file_.name());
    }
    if (second_tables_ > file_.length() + header_.second_table_bytes) {
      throw file_error(EIO, file_.name(), place, "its tables overlap");
    }
    read_last_table(place, count, first);
  }

  void read_last_table(std::uint64_t offset, std::uint64_t entries, std::uint64_t first_block) {
    const std::uint64_t size = header_.entry_bytes;
    read_pieces(offset, entries, size, [&](std::uint64_t first, auto piece) {
      for (std::size_t i = 0; i * size < piece.size(); ++i) {
        const std::optional<std::uint64_t> block = block_of(first + i);
        if (!block || first_block + *block >= blocks()) continue;
        take(first_block + *block, place_of(piece.data() + i * size));
      }
    });
  }

  /// VHDX: [MS-VHDX] 2.5, an entry for a sector bitmap follows `chunk_ratio` entries for data.
  std::optional<std::uint64_t> block_of(std::uint64_t entry) const {
    if (header_.chunk_ratio == 0) return entry;
    const std::uint64_t group = header_.chunk_ratio + 1;
    if (entry % group == header_.chunk_ratio) return std::nullopt;
    return entry - entry / group;
  }

  std::optional<Place> place_of(const std::byte* entry) const {
    switch (header_.format) {
      case ImageFormat::vhd: {
        const auto sector = load_big_endian<std::uint32_t>(entry);
        if (sector == ~0U) return std::nullopt;
        return Place{sector * header_.entry_unit, header_.block_prefix + header_.block_bytes};
      }
      case ImageFormat::vhdx: {
        const auto value = load_little_endian<std::uint64_t>(entry);
        if ((value & 7) < 6) return std::nullopt;  // not present, zeros, unmapped
        return Place{value >> 20 << 20, header_.block_bytes};
      }
      case ImageFormat::vdi:
      case ImageFormat::parallels: {
        const auto value = load_little_endian<std::uint32_t>(entry);
        const bool is_vdi = header_.format == ImageFormat::vdi;
        if (is_vdi ? value >= ~1U : value == 0) return std::nullopt;
        return Place{header_.data_offset + value * header_.entry_unit, header_.block_bytes};
      }
      case ImageFormat::qed: {
        const auto value = load_little_endian<std::uint64_t>(entry);
        if (value <= 1) return std::nullopt;
        return Place{value, header_.block_bytes, true};
      }
      default:
        return qcow2_place(load_big_endian<std::uint64_t>(entry));
    }
  }

  std::optional<Place> qcow2_place(std::uint64_t entry) const {
    if ((entry & kCompressed) != 0) {
      // Bits 0 to x - 1 are the place, x = 62 - (cluster_bits - 8); the length ends in the last
      // sector, of which there may be less.
      const int x = 70 - __builtin_ctzll(header_.block_bytes);
      return Place{entry & ((std::uint64_t{1} << x) - 1), 1};
    }
    const std::uint64_t place = entry & kQcow2Place;
    if (place == 0) return std::nullopt;
    return Place{place, header_.block_bytes, true};
  }

  void take(std::uint64_t block, const std::optional<Place>& place) {
    if (!place) return;
    const std::uint64_t left = header_.virtual_bytes - block * header_.block_bytes;
    result_.stored_bytes += std::min(left, header_.block_bytes);
    if (!result_.stored.empty()) result_.stored[block] = true;
    const std::uint64_t unused = header_.block_bytes - std::min(left, header_.block_bytes);
    const std::uint64_t bytes = place->bytes - std::min(unused, place->bytes - 1);
    if (range_fits(place->offset, bytes, file_.length())) return;
    if (place->may_end_early && place->offset < file_.length()) {
      early_ = block;
    } else {
      add_damage(block, 1);
    }
  }

  /// A block that the file ends in is the last one written, or the copy was cut off in it: then
  /// other blocks lie beyond the end.
  void settle_ends() {
    if (early_ && !result_.damaged.empty()) add_damage(*early_, 1);
    std::ranges::sort(result_.damaged, {}, &ByteRange::offset);
  }

  void add_damage(std::uint64_t first_block, std::uint64_t count) {
    const std::uint64_t offset = first_block * header_.block_bytes;
    const std::uint64_t bytes =
        std::min(count * header_.block_bytes, header_.virtual_bytes - offset);
    auto& damaged = result_.damaged;
    if (!damaged.empty() && damaged.back().offset + damaged.back().bytes == offset) {
      damaged.back().bytes += bytes;
    } else if (damaged.size() < kMostDamaged) {
      damaged.push_back({offset, bytes});
    } else {
      throw file_error(EIO, file_.name(), file_.length(),
                       "too much of it lies beyond the file's end");
    }
  }

  const inspect::SourceFile& file_;
  const ImageHeader& header_;
  Digest& digest_;
  ImageTables result_;
  std::optional<std::uint64_t> early_;
  std::uint64_t second_tables_ = 0;
};

}  // namespace

ImageTables scan_image(const inspect::SourceFile& file, const ImageHeader& header, Digest& digest) {
  digest.add_number(static_cast<std::uint64_t>(header.format)).add_number(file.length());
  digest.add_number(header.virtual_bytes);
  for (const ByteRange& part : header.parts) {
    std::vector<std::byte> bytes(part.bytes);
    file.read(part.offset, bytes);
    digest.add(bytes);
  }
  if (header.table_entries == 0) return {};
  return Scan(file, header, digest).run();
}

}  // namespace v2vfs::convert
