// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect::vmx {

/// The text of a .vmx or .vmsd as UTF-8. Its `.encoding` line says what it is written in; only
/// encodings that VMware is known to write are taken, as an iconv(3) module is a parser of its own.
/// Without the line, or where it lies, UTF-8 if it is that, else Windows-1252. What was guessed
/// goes to `assumptions`.
std::string decode(std::string_view bytes, std::vector<std::string>& assumptions);

}  // namespace v2vfs::inspect::vmx
