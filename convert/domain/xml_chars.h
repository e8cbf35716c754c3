// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace v2vfs::convert {

/// True if `text` is UTF-8 (RFC 3629) and nothing but characters that XML 1.0 allows (section 2.2).
bool is_xml_text(std::string_view text);

}  // namespace v2vfs::convert
