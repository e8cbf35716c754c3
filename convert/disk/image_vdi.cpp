// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <cerrno>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"

// VDI as VirtualBox 1.6 and later write it (header version 1.1), and Parallels' HDS.

namespace v2vfs::convert {
namespace {

constexpr std::size_t kVdiBytes = 512;
constexpr std::uint32_t kVdiVersion = 0x00010001;
constexpr std::uint64_t kVdiBlock = 1 << 20;  // the only size that VirtualBox and QEMU have
enum VdiType : std::uint32_t { vdi_dynamic = 1, vdi_static = 2, vdi_undo = 3, vdi_difference = 4 };

constexpr std::size_t kParallelsBytes = 64;
constexpr std::uint32_t kParallelsVersion = 2;
constexpr std::uint32_t kParallelsInUse = 0x746f6e59;
constexpr std::uint32_t kMostTracks = 1 << 19;  // sectors: blocks of 256 MiB

void check_vdi_kind(const inspect::SourceFile& file, const ImageFields& fields) {
  if (fields.little<std::uint32_t>(68) != kVdiVersion) {
    refuse_image(file, 68, "this version of VDI is not served", EOPNOTSUPP);
  }
  const auto type = fields.little<std::uint32_t>(76);
  const bool has_parent = !fields.is_zero(424, 32);  // uuidLinkage, uuidParentModify
  if (type == vdi_difference || type == vdi_undo || has_parent) {
    refuse_image(file, 76,
                 "it holds only the differences to a parent disk, which QEMU does not read for "
                 "VDI; merge the snapshots in VirtualBox first",
                 EOPNOTSUPP);
  }
  if (type != vdi_dynamic && type != vdi_static) {
    refuse_image(file, 76, fmt::format("a VDI of type {} is not known", type), EIO);
  }
}

}  // namespace

ImageHeader read_vdi(const inspect::SourceFile& file) {
  const ImageFields fields(file, 0, kVdiBytes);
  check_vdi_kind(file, fields);
  ImageHeader header;
  header.format = ImageFormat::vdi;
  header.table_offset = fields.little<std::uint32_t>(340);
  header.data_offset = fields.little<std::uint32_t>(344);
  const std::uint64_t bytes = fields.little<std::uint64_t>(368);
  header.block_bytes = fields.little<std::uint32_t>(376);
  header.table_entries = fields.little<std::uint32_t>(384);
  header.entry_unit = header.block_bytes;
  header.parts = {{0, kVdiBytes}};
  if (fields.little<std::uint32_t>(360) != kImageSector || header.block_bytes != kVdiBlock ||
      fields.little<std::uint32_t>(380) != 0 || header.table_offset % kImageSector != 0 ||
      header.data_offset % kImageSector != 0) {
    refuse_image(file, 340, "sectors, blocks or places are none that a VDI has", EOPNOTSUPP);
  }
  if (bytes > kMostVirtualBytes) refuse_image(file, 368, "a disk above 8 PiB", EOPNOTSUPP);
  header.virtual_bytes = round_up(bytes, kImageSector);
  check_image(file, header);
  return header;
}

/// Parallels names the files of a disk NAME.0.{SNAPSHOT}.hds, the first one by this id. Any other
/// is a difference to one whose name stands in DiskDescriptor.xml alone: by itself it would read as
/// zeros where it has nothing.
void refuse_difference(const inspect::SourceFile& file) {
  constexpr std::string_view kFirst = ".{5fbaabe3-6958-40ff-92a7-860e329aab41}.";
  const std::string& name = file.name();
  if (name.find(".{") == std::string::npos || name.find(kFirst) != std::string::npos) return;
  refuse_image(file, 0,
               "its name is that of a snapshot's difference, which is not served; merge the "
               "snapshots, or rename it if it is a whole disk",
               EOPNOTSUPP);
}

ImageHeader read_parallels(const inspect::SourceFile& file) {
  refuse_difference(file);
  const ImageFields fields(file, 0, kParallelsBytes);
  const bool is_extended = fields.text(0, 16) == "WithouFreSpacExt";
  if (fields.little<std::uint32_t>(16) != kParallelsVersion) {
    refuse_image(file, 16, "this version of Parallels' format is not known", EOPNOTSUPP);
  }
  const auto tracks = fields.little<std::uint32_t>(28);
  if (!is_power_of_two(tracks) || tracks > kMostTracks) {
    refuse_image(file, 28, fmt::format("blocks of {} sectors are not served", tracks), EOPNOTSUPP);
  }
  ImageHeader header;
  header.format = ImageFormat::parallels;
  header.block_bytes = tracks * kImageSector;
  header.table_offset = kParallelsBytes;
  header.table_entries = fields.little<std::uint32_t>(32);
  const std::uint64_t sectors =
      is_extended ? fields.little<std::uint64_t>(36) : fields.little<std::uint32_t>(36);
  if (sectors > kMostVirtualBytes / kImageSector) {
    refuse_image(file, 36, "a disk above 8 PiB", EOPNOTSUPP);
  }
  header.virtual_bytes = sectors * kImageSector;
  header.entry_unit = is_extended ? header.block_bytes : kImageSector;
  header.parts = {{0, kParallelsBytes}};
  if (fields.little<std::uint32_t>(44) == kParallelsInUse) {
    header.assumptions.push_back(
        fmt::format("{} was not closed by its last writer; it is served as it "
                    "is.",
                    file.name()));
  }
  check_image(file, header);
  return header;
}

}  // namespace v2vfs::convert
