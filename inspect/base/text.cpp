// SPDX-License-Identifier: MIT
#include "inspect/base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace v2vfs {
namespace {

struct Decoded {
  std::uint32_t code_point;
  std::size_t bytes;
};

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

std::size_t sequence_length(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

bool is_encodable(std::uint32_t code_point, std::size_t bytes) {
  if (bytes == 3) return code_point >= 0x800 && (code_point < 0xd800 || code_point > 0xdfff);
  if (bytes == 4) return code_point >= 0x10000 && code_point <= 0x10ffff;
  return true;
}

/// The UTF-8 sequence (RFC 3629) that starts at `i`; nullopt where the bytes are not one.
std::optional<Decoded> decode(std::string_view text, std::size_t i) {
  const std::size_t bytes = sequence_length(byte_at(text, i));
  if (bytes == 0 || i + bytes > text.size()) return std::nullopt;
  if (bytes == 1) return Decoded{byte_at(text, i), 1};
  std::uint32_t code_point = byte_at(text, i) & (0x7fu >> bytes);
  for (std::size_t k = 1; k < bytes; ++k) {
    const std::uint8_t next = byte_at(text, i + k);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (next & 0x3f);
  }
  if (!is_encodable(code_point, bytes)) return std::nullopt;
  return Decoded{code_point, bytes};
}

bool is_control(std::uint32_t c) { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

bool reorders_or_hides(std::uint32_t c) {
  return c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xffff);
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
}

template <typename Keep>
std::string escape(std::string_view text, std::size_t limit, Keep keep) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::optional<Decoded> decoded = decode(text, i);
    const std::size_t bytes = decoded ? decoded->bytes : 1;
    std::string piece;
    if (decoded && keep(decoded->code_point)) {
      piece = text.substr(i, bytes);
    } else {
      append_escaped(piece, text.substr(i, bytes));
    }
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    i += bytes;
  }
  return out;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit) {
  return escape(text, limit,
                [](std::uint32_t c) { return !is_control(c) && !reorders_or_hides(c); });
}

std::string clean_multiline(std::string_view text) {
  return escape(text, std::string::npos - 3, [](std::uint32_t c) {
    return c == '\n' || c == '\t' || (!is_control(c) && !reorders_or_hides(c));
  });
}

std::string safe_component(std::string_view name) {
  constexpr std::size_t kLongest = 200;
  std::string component = clean_text(trim(name), kLongest - 3);
  std::replace(component.begin(), component.end(), '/', '_');
  if (!component.empty() && (component[0] == '.' || component[0] == '-')) component[0] = '_';
  return component.empty() ? "vm" : component;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return to_lower(a) == to_lower(b);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace v2vfs
