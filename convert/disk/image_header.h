// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/source_file.h"

/// The headers of the formats whose blocks qemu reads for us: enough of each to know the disk's
/// size, which files it builds upon and where its tables lie, without starting anything. All of it
/// is hostile input; what is beyond the limits here is refused. Formats, with where they are
/// written down:
///
///   VHD        "Virtual Hard Disk Image Format Specification" 1.0 (big-endian)
///   VHDX       [MS-VHDX]
///   VDI        VirtualBox's VDICore.h (little-endian)
///   qcow2, QED docs/interop/qcow2.txt and qed_spec.txt of QEMU (big- and little-endian)
///   Parallels  docs/interop/parallels.txt of QEMU (little-endian)
namespace v2vfs::convert {

enum class ImageFormat {
  raw,        // no header: as a backing file only
  vhd_fixed,  // the guest's bytes, and a footer
  vhd,
  vhdx,
  vdi,
  qcow2,
  qed,
  parallels,
};

/// "VHD", "qcow2", ...
std::string_view format_name(ImageFormat format);

/// What the image builds upon, as it names it.
struct BackingFile {
  std::string name;
  std::string format;  // qemu's word; empty: it does not say
};

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t end() const { return offset + bytes; }
};

struct ImageHeader {
  ImageFormat format = ImageFormat::raw;
  std::uint64_t virtual_bytes = 0;  // of the guest; a multiple of 512
  std::uint64_t block_bytes = 0;    // of the guest, behind one entry of the last table
  std::uint64_t table_offset = 0;   // the first table
  std::uint64_t table_entries = 0;
  std::uint64_t second_table_bytes = 0;  // of each table that the first one names; 0: it names none
  std::uint64_t entry_bytes = 4;         // of the last table
  std::uint64_t entry_unit = 1;          // bytes of the file that an entry counts in
  std::uint64_t data_offset = 0;         // from which on it counts
  std::uint64_t block_prefix = 0;        // bytes before the guest's in a block: VHD's bitmap
  std::uint64_t chunk_ratio = 0;         // VHDX: data entries between two of sector bitmaps
  bool is_size_by_geometry = false;      // VHD: see read_vhd
  std::vector<ByteRange> parts;          // of the file: header and what belongs to it
  std::optional<BackingFile> backing;
  std::vector<std::string> assumptions;  // readings that were a guess, one sentence each
};

/// Tells by the file's own bytes, its first 512 and, for a VHD that is no compressed file, its
/// last; nullopt: none of these. A fixed VHD is one by its footer only if the footer's checksum is
/// right: that one is within a guest's reach. Throws Error(EIO).
std::optional<ImageFormat> tell_image(const inspect::SourceFile& file);

/// Reads and checks the header of a file of that format; of `raw` just the size. Throws Error with
/// file and offset: EIO for damage (a cut-off file among it), EOPNOTSUPP for what is not served:
/// differences to another disk in formats whose chains qemu does not read, encryption, data in
/// another file, unknown features.
ImageHeader read_image_header(const inspect::SourceFile& file, ImageFormat format);

}  // namespace v2vfs::convert
