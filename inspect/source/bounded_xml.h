// SPDX-License-Identifier: MIT
#pragma once

#include <pugixml.hpp>
#include <string_view>

namespace v2vfs::inspect {

constexpr std::size_t kMostXmlBytes = 8 << 20;

/// Parses `text` into `tree`. Throws Error(EINVAL) with one sentence, that begins with `file`, for
/// what is no well-formed XML, has a DOCTYPE, is larger than 8 MiB, deeper than 256 levels, or has
/// more than 200,000 nodes.
void load_bounded_xml(std::string_view text, std::string_view file, pugi::xml_document& tree);

}  // namespace v2vfs::inspect
