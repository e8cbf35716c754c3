// SPDX-License-Identifier: MIT
#include "convert/guest/image_checksum.h"

#include <algorithm>

#include "inspect/base/text.h"

namespace v2vfs::convert {

std::optional<ChecksumLine> parse_checksum_line(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  ChecksumLine line;
  line.hex = to_lower(text.substr(0, end));
  line.rest = text.substr(end);
  const bool hexadecimal = line.hex.find_first_not_of("0123456789abcdef") == std::string::npos;
  const bool one_line =
      line.rest.find('\n') == std::string::npos || line.rest.find('\n') + 1 == line.rest.size();
  if (!hexadecimal || !one_line || trim(line.rest).empty()) return std::nullopt;
  switch (line.hex.size()) {
    case 32:
      line.kind = DigestKind::md5;
      return line;
    case 40:
      line.kind = DigestKind::sha1;
      return line;
    case 64:
      line.kind = DigestKind::sha256;
      return line;
    default:
      return std::nullopt;
  }
}

}  // namespace v2vfs::convert
