// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/source/source_file.h"
#include "inspect/source/unpacked_file.h"

namespace v2vfs::inspect {

/// What an .xz file holds, as a file; nothing is unpacked. Its index says at once how long it is
/// and where its blocks are: a read costs the decoding of a block, or less. Throws Error: EIO for a
/// file that is damaged or cut short, EOPNOTSUPP if a block holds more than 192 MiB (one that was
/// packed by one thread is a single block), as then reading from within would take too long.
/// `unpack`, where it is not empty, is where the content of such a file is unpacked to instead.
SourceFile xz_file(SourceFile stored, std::string name, const UnpackFolder& unpack = {},
                   const std::function<bool()>& stop = {});

/// The first bytes, at most `most`, whatever the blocks are like. Throws Error(EIO).
std::string xz_head(const SourceFile& stored, std::size_t most);

}  // namespace v2vfs::inspect
