// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

enum class FileFormat { sparse_extent, descriptor, raw };

/// Says once what a disk's file is, by our own look at its head. What the source's description says
/// bounds the answer: a guest may write any magic number into its raw disk. Throws Error:
/// EOPNOTSUPP for a format that is not served, EIO for a VMDK that is none.
FileFormat tell_format(const inspect::SourceFile& file, inspect::DiskFormat said);

}  // namespace v2vfs::convert
