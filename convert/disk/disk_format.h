// SPDX-License-Identifier: MIT
#pragma once

#include "convert/disk/image_header.h"
#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

enum class FileFormat { sparse_extent, descriptor, raw, image };

struct ToldFormat {
  FileFormat kind = FileFormat::raw;
  ImageFormat image = ImageFormat::raw;  // of FileFormat::image
};

/// Says once what a disk's file is, by our own look at its head. What the source's description says
/// bounds the answer: a guest may write any magic number into its raw disk. Throws Error:
/// EOPNOTSUPP for a format that is not served, EIO for a file that lacks the header that its
/// description says it has.
ToldFormat tell_format(const inspect::SourceFile& file, inspect::DiskFormat said);

}  // namespace v2vfs::convert
