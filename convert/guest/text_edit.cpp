// SPDX-License-Identifier: MIT
#include "convert/guest/text_edit.h"

#include <algorithm>

namespace v2vfs::convert {

void TextEdit::replace(std::string_view part, std::string with) {
  const auto offset = static_cast<std::size_t>(part.data() - text_.data());
  replacements_.push_back({offset, part.size(), std::move(with)});
}

void TextEdit::insert_behind(std::string_view place, std::string with) {
  replace(place.substr(place.size()), std::move(with));
}

void TextEdit::rename(std::string_view name, const Rename& rename) {
  if (auto made = rename(name)) replace(name, std::move(*made));
}

std::string TextEdit::take() const {
  std::vector<Replacement> ordered = replacements_;
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const Replacement& a, const Replacement& b) { return a.offset < b.offset; });
  std::string out;
  std::size_t at = 0;
  for (const Replacement& each : ordered) {
    if (each.offset < at) continue;
    out += text_.substr(at, each.offset - at);
    out += each.with;
    at = each.offset + each.length;
  }
  return out += text_.substr(at);
}

std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

std::vector<std::string_view> list_parts(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    parts.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace v2vfs::convert
