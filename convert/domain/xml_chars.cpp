// SPDX-License-Identifier: MIT
#include "convert/domain/xml_chars.h"

#include <cstdint>

namespace v2vfs::convert {
namespace {

/// Bytes that follow a lead byte; 4 for a byte that cannot lead.
unsigned followers(std::uint8_t lead) {
  if (lead < 0x80) return 0;
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  if (lead >= 0xf0 && lead <= 0xf4) return 3;
  return 4;
}

/// Of a sequence that is well-formed so far: the shortest form, and a character of XML.
bool is_allowed(std::uint32_t c, unsigned follow) {
  if (follow == 0) return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
  if (follow == 2) return c >= 0x800 && !(c >= 0xd800 && c <= 0xdfff) && c < 0xfffe;
  return follow != 3 || (c >= 0x10000 && c <= 0x10ffff);
}

}  // namespace

bool is_xml_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<std::uint8_t>(text[i]);
    const unsigned follow = followers(lead);
    if (follow == 4 || text.size() - i <= follow) return false;
    std::uint32_t c = follow == 0 ? lead : lead & (0x3fu >> follow);
    for (unsigned k = 1; k <= follow; ++k) {
      const auto next = static_cast<std::uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      c = c << 6 | (next & 0x3f);
    }
    if (!is_allowed(c, follow)) return false;
    i += follow + 1;
  }
  return true;
}

}  // namespace v2vfs::convert
