// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace v2vfs::inspect {

/// A value as `blkid -o export` prints it: a character behind a backslash is itself; newer ones
/// write \xNN for a byte.
std::string blkid_unescape(std::string_view text);

/// util-linux of the years before wrote other bytes as "M-C" and "^A", which a label may hold as
/// well: the value has to be asked for in another way.
bool blkid_is_ambiguous(std::string_view text);

}  // namespace v2vfs::inspect
