// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// Says which bytes on which host these are, in 64 characters: identity and time of the files,
/// length, both ends. What is made of a compressed file is found again by it. Throws Error(EIO).
std::string stored_key(const SourceFile& file, std::uint64_t format);

}  // namespace v2vfs::inspect
