// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace v2vfs::convert {

/// A unified diff (POSIX diff -u, three lines around) as patch(1) takes it; nothing where both are
/// the same. A file that is not there is an empty text with the name "/dev/null". Names are printed
/// as they are.
std::string unified_diff(const std::string& old_name, std::string_view before,
                         const std::string& new_name, std::string_view after);

}  // namespace v2vfs::convert
