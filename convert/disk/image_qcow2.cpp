// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <cerrno>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"

// qcow2 versions 2 and 3 (docs/interop/qcow2.txt of QEMU, big-endian) and QED (qed_spec.txt,
// little-endian).

namespace v2vfs::convert {
namespace {

constexpr std::size_t kVersion2Bytes = 72;
constexpr std::size_t kVersion3Bytes = 104;
constexpr std::uint64_t kMostHeader = 4096;
constexpr std::uint64_t kMostName = 1023;
constexpr std::uint64_t kMostL1 = (std::uint64_t{32} << 20) / 8;
constexpr int kMostExtensions = 64;
constexpr std::uint32_t kBackingFormat = 0xe2792aca;

enum Incompatible : std::uint64_t {
  kDirty = 1,
  kCorrupt = 2,
  kExternalData = 4,
  kCompressionType = 8,
  kExtendedL2 = 16,
};
constexpr std::uint64_t kKnown = kDirty | kCorrupt | kExternalData | kCompressionType | kExtendedL2;

enum QedFeature : std::uint64_t { kQedBacking = 1, kQedNeedCheck = 2, kQedRawBacking = 4 };
constexpr std::size_t kQedBytes = 64;

std::string read_name(const inspect::SourceFile& file, std::uint64_t offset, std::uint64_t bytes,
                      std::uint64_t limit) {
  if (bytes == 0 || bytes > kMostName || !range_fits(offset, bytes, limit)) {
    refuse_image(file, offset, "the name of its backing file lies outside the header", EIO);
  }
  return std::string(ImageFields(file, offset, bytes).text(0, bytes));
}

class Qcow2Header {
 public:
  explicit Qcow2Header(const inspect::SourceFile& file)
      : file_(file), fields_(file, 0, kVersion2Bytes) {
    version_ = fields_.big<std::uint32_t>(4);
    if (version_ != 2 && version_ != 3) {
      refuse(4, fmt::format("version {} of qcow is not served", version_), EOPNOTSUPP);
    }
    if (version_ == 3) fields_ = ImageFields(file, 0, kVersion3Bytes);
  }

  ImageHeader read() {
    header_.format = ImageFormat::qcow2;
    const auto cluster_bits = fields_.big<std::uint32_t>(20);
    if (cluster_bits < 9 || cluster_bits > 21) {
      refuse(20, fmt::format("clusters of 2^{} bytes are not served", cluster_bits), EOPNOTSUPP);
    }
    header_.block_bytes = std::uint64_t{1} << cluster_bits;
    header_.virtual_bytes = fields_.big<std::uint64_t>(24);
    if (fields_.big<std::uint32_t>(32) != 0) {
      refuse(32, "it is encrypted; decrypt it with qemu-img convert first", EOPNOTSUPP);
    }
    if (version_ == 3) read_features();
    read_tables();
    read_backing();
    header_.parts.insert(header_.parts.begin(), {0, header_bytes()});
    check_image(file_, header_);
    return std::move(header_);
  }

 private:
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view sentence, int error_number) {
    refuse_image(file_, offset, sentence, error_number);
  }
  void assume(std::string_view what) {
    header_.assumptions.push_back(fmt::format("{} {}", file_.name(), what));
  }

  std::uint64_t header_bytes() {
    if (version_ == 2) return kVersion2Bytes;
    const auto bytes = fields_.big<std::uint32_t>(100);
    if (bytes < kVersion3Bytes || bytes > kMostHeader || bytes % 8 != 0) {
      refuse(100, fmt::format("a header of {} bytes is not served", bytes), EIO);
    }
    return bytes;
  }

  void read_features() {
    const auto features = fields_.big<std::uint64_t>(72);
    if ((features & ~kKnown) != 0) {
      refuse(72, "it needs features that are not known; a newer QEMU wrote it", EOPNOTSUPP);
    }
    if ((features & kExternalData) != 0) {
      refuse(72,
             "its data lies in another file, which is not served; put both into one with qemu-img "
             "convert first",
             EOPNOTSUPP);
    }
    if ((features & kDirty) != 0)
      assume("was not closed by its last writer; it is served as it is.");
    if ((features & kCorrupt) != 0) {
      assume("is marked as corrupt; what can be read of it is served. qemu-img check tells more.");
    }
    is_extended_ = (features & kExtendedL2) != 0;
  }

  void read_tables() {
    header_.entry_bytes = is_extended_ ? 16 : 8;
    header_.second_table_bytes = header_.block_bytes;
    header_.table_offset = fields_.big<std::uint64_t>(40);
    const std::uint64_t covered = header_.block_bytes / header_.entry_bytes * header_.block_bytes;
    const std::uint64_t entries = ceil_div(header_.virtual_bytes, covered);
    if (fields_.big<std::uint32_t>(36) < entries || entries > kMostL1) {
      refuse(36, "its L1 table does not fit the disk's size", EIO);
    }
    header_.table_entries = entries;
    if (const auto snapshots = fields_.big<std::uint32_t>(60); snapshots != 0) {
      assume(fmt::format("has {} snapshots inside; the disk is served as it was last.", snapshots));
    }
  }

  void read_backing() {
    const auto offset = fields_.big<std::uint64_t>(8);
    const auto bytes = fields_.big<std::uint32_t>(16);
    if (offset == 0) return;
    const std::uint64_t cluster = std::min(header_.block_bytes, file_.length());
    header_.backing = BackingFile{read_name(file_, offset, bytes, cluster), ""};
    header_.parts.push_back({offset, bytes});
    read_extensions(std::min(offset, cluster));
  }

  /// Extensions lie between the header and the backing file's name, each 8 bytes and its data.
  void read_extensions(std::uint64_t end) {
    std::uint64_t at = header_bytes();
    for (int i = 0; i < kMostExtensions && range_fits(at, 8, end); ++i) {
      const ImageFields extension(file_, at, 8);
      const auto kind = extension.big<std::uint32_t>(0);
      const auto bytes = extension.big<std::uint32_t>(4);
      if (kind == 0) return;
      if (!range_fits(at + 8, bytes, end)) refuse(at, "a header extension that is too long", EIO);
      if (kind == kBackingFormat && bytes <= 16) {
        header_.backing->format = ImageFields(file_, at + 8, bytes).text(0, bytes);
        header_.parts.push_back({at, 8 + bytes});
      }
      at += 8 + round_up(bytes, 8);
    }
  }

  const inspect::SourceFile& file_;
  ImageFields fields_;
  std::uint32_t version_ = 0;
  bool is_extended_ = false;
  ImageHeader header_;
};

}  // namespace

ImageHeader read_qcow2(const inspect::SourceFile& file) { return Qcow2Header(file).read(); }

ImageHeader read_qed(const inspect::SourceFile& file) {
  const ImageFields fields(file, 0, kQedBytes);
  ImageHeader header;
  header.format = ImageFormat::qed;
  header.block_bytes = fields.little<std::uint32_t>(4);
  const auto table_clusters = fields.little<std::uint32_t>(8);
  const auto features = fields.little<std::uint64_t>(16);
  if ((features & ~std::uint64_t{kQedBacking | kQedNeedCheck | kQedRawBacking}) != 0) {
    refuse_image(file, 16, "it needs features that are not known", EOPNOTSUPP);
  }
  if (!is_power_of_two(header.block_bytes) || header.block_bytes < 4096 ||
      header.block_bytes > (1 << 26) || !is_power_of_two(table_clusters) || table_clusters > 16) {
    refuse_image(file, 4, "clusters or tables are of a size that no QED has", EIO);
  }
  header.entry_bytes = 8;
  header.second_table_bytes = header.block_bytes * table_clusters;
  header.table_offset = fields.little<std::uint64_t>(40);
  header.table_entries = header.second_table_bytes / header.entry_bytes;
  header.virtual_bytes = fields.little<std::uint64_t>(48);
  header.parts = {{0, kQedBytes}};
  if ((features & kQedBacking) != 0) {
    const auto offset = fields.little<std::uint32_t>(56);
    const auto bytes = fields.little<std::uint32_t>(60);
    header.backing = BackingFile{read_name(file, offset, bytes, header.block_bytes),
                                 (features & kQedRawBacking) != 0 ? "raw" : ""};
    header.parts.push_back({offset, bytes});
  }
  if ((features & kQedNeedCheck) != 0) {
    header.assumptions.push_back(
        fmt::format("{} was not closed by its last writer; it is served as it is.", file.name()));
  }
  check_image(file, header);
  return header;
}

}  // namespace v2vfs::convert
