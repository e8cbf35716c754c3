// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace v2vfs::inspect {

/// A file name that a descriptor or an archive gives, as 'a/b/c': "." components are dropped.
/// Throws Error(EACCES) for what could lead outside or cannot be a name: empty, absolute, a
/// component ".." or
/// "" (except a trailing one), a NUL byte, more than 4,096 bytes.
std::string relative_name(std::string_view name);

/// What stands before the last '/', with it ("a/b/" of "a/b/c"); empty if there is none.
std::string_view folder_part(std::string_view name);
/// What stands behind the last '/'.
std::string_view file_part(std::string_view name);
/// file_part() without the last suffix; a name that begins with its only dot is kept whole.
std::string_view stem_part(std::string_view name);

/// Compares the suffix (".ovf") without regard to ASCII case.
bool has_suffix(std::string_view name, std::string_view suffix);

/// RFC 3986 percent decoding. What is no %XX stays.
std::string percent_decoded(std::string_view name);

}  // namespace v2vfs::inspect
