// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// Gives the folder in which the content of `archive`, whose stored_key() is `key`, is kept: it is
/// there, and nobody else's. Throws Error.
using UnpackFolder = std::function<std::string(const std::string& key, const std::string& archive)>;

/// What `packed` gives, kept as a file in a folder of its own: made once, whole and durable, and
/// found again at the next mount. Its stored files are still those of `packed`, so that a change of
/// the source is noticed. Throws Error: EIO (damage in `packed`), ENOSPC with the bytes that are
/// needed, EINTR when `stop` says so.
SourceFile unpacked_file(const SourceFile& packed, const UnpackFolder& folder,
                         const std::function<bool()>& stop);

}  // namespace v2vfs::inspect
