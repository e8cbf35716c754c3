// SPDX-License-Identifier: MIT
#include "inspect/guest/blkid_text.h"

#include <charconv>

namespace v2vfs::inspect {

std::string blkid_unescape(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      plain += text[at];
      continue;
    }
    ++at;
    unsigned char byte = 0;
    const char* digits = text.data() + at + 1;
    if (text[at] == 'x' && text.size() - at > 2 &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      plain += static_cast<char>(byte);
      at += 2;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

bool blkid_is_ambiguous(std::string_view text) {
  return text.find("M-") != text.npos || text.find('^') != text.npos;
}

}  // namespace v2vfs::inspect
