// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace v2vfs::inspect {

/// A value as `blkid -o export` prints it (util-linux, lib/carefulputc.h): \xNN is a byte, any
/// other character behind a backslash itself.
std::string blkid_unescape(std::string_view text);

}  // namespace v2vfs::inspect
