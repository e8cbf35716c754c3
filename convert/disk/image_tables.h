// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "convert/disk/image_header.h"
#include "inspect/base/digest.h"

namespace v2vfs::convert {

/// What the tables of an image say, without where each block lies.
struct ImageTables {
  std::uint64_t stored_bytes = 0;  // of the guest, in whole blocks
  /// By block, of formats with one table: the others are zeros. Empty for those with two.
  std::vector<bool> stored;
  /// Of the guest: what the tables place outside the file. qemu would read zeros there: a copy that
  /// was cut off would look like a good one. Ascending.
  std::vector<ByteRange> damaged;
};

/// Reads all tables once, in order, into `digest` and the result. Memory is a bit for each block at
/// most. Throws Error(EIO) for a table that cannot be read or tables that overlap, EOPNOTSUPP for
/// more than 2 GiB of them.
ImageTables scan_image(const inspect::SourceFile& file, const ImageHeader& header, Digest& digest);

}  // namespace v2vfs::convert
