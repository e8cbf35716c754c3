// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The files one behind the other as one (DSP0243 7.1, ovf:chunkSize). There is at least one.
/// Throws Error(EIO) if one is compressed and damaged.
SourceFile joined_file(std::vector<SourceFile> parts, std::string name);

}  // namespace v2vfs::inspect
