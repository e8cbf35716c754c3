// SPDX-License-Identifier: MIT
#include "inspect/guest/fstab.h"

#include <cctype>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// fstab writes blanks in a field as \040 (getmntent(3)).
std::string without_octal(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool escape = field[i] == '\\' && i + 3 < field.size() && is_octal(field[i + 1]) &&
                        is_octal(field[i + 2]) && is_octal(field[i + 3]);
    if (!escape) {
      out += field[i];
      continue;
    }
    out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
                             (field[i + 3] - '0'));
    i += 3;
  }
  return out;
}

/// UUID="..." is as good as UUID=... .
std::string without_quotes(std::string spec) {
  std::erase(spec, '"');
  std::erase(spec, '\'');
  return spec;
}

std::optional<std::string> option_value(std::string_view options, std::string_view name) {
  while (!options.empty()) {
    const std::size_t comma = std::min(options.find(','), options.size());
    const std::string_view option = options.substr(0, comma);
    options.remove_prefix(std::min(comma + 1, options.size()));
    const std::size_t equals = std::min(option.find('='), option.size());
    if (option.substr(0, equals) != name) continue;
    return std::string(option.substr(std::min(equals + 1, option.size())));
  }
  return std::nullopt;
}

std::string hex_digits(std::string_view text) {
  std::string digits;
  for (const char c : to_lower(text)) {
    if (std::isxdigit(static_cast<unsigned char>(c))) digits += c;
  }
  return digits;
}

}  // namespace

bool FstabEntry::has_option(std::string_view name) const {
  return option_value(options, name).has_value();
}

std::optional<std::string> FstabEntry::option(std::string_view name) const {
  return option_value(options, name);
}

std::vector<FstabEntry> parse_fstab(std::string_view text) {
  std::vector<FstabEntry> entries;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto words = words_of(lines[i]);
    if (words.size() < 2 || words[0].starts_with('#')) continue;
    FstabEntry entry;
    entry.line = i + 1;
    entry.spec = without_quotes(without_octal(words[0]));
    entry.path = without_octal(words[1]);
    if (words.size() > 2) entry.type = words[2];
    if (words.size() > 3) entry.options = without_octal(words[3]);
    if (words.size() > 5) entry.pass = leading_number(words[5]).value;
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<CrypttabEntry> parse_crypttab(std::string_view text) {
  std::vector<CrypttabEntry> entries;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto words = words_of(lines[i]);
    if (words.size() < 2 || words[0].starts_with('#')) continue;
    CrypttabEntry entry{i + 1, std::string(words[0]), without_quotes(std::string(words[1])), "",
                        ""};
    if (words.size() > 2) entry.key_file = words[2];
    if (words.size() > 3) entry.options = words[3];
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<MdArrayEntry> parse_mdadm_conf(std::string_view text) {
  std::vector<MdArrayEntry> entries;
  bool in_array = false;
  for (const std::string_view raw : lines_of(text)) {
    // A line that starts with a blank continues the one before it.
    const bool continues = !raw.empty() && (raw[0] == ' ' || raw[0] == '\t');
    const auto words = words_of(without_comment(raw));
    if (words.empty()) continue;
    std::size_t first = 0;
    if (!continues) {
      in_array = equals_ignoring_case(words[0], "ARRAY");
      if (in_array) entries.emplace_back();
      first = 1;
    }
    if (!in_array) continue;
    for (std::size_t i = first; i < words.size(); ++i) {
      const std::string lower = to_lower(words[i]);
      if (lower.starts_with("uuid=")) entries.back().uuid = hex_digits(words[i].substr(5));
      if (lower.starts_with("name=")) entries.back().name = words[i].substr(5);
      if (lower.starts_with("/dev/")) entries.back().device = words[i];
    }
  }
  return entries;
}

std::optional<std::string> plain_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::string plain;
  while (!path.empty()) {
    const std::size_t start = path.find_first_not_of('/');
    if (start == std::string_view::npos) break;
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    if (part == "..") return std::nullopt;
    if (part != ".") plain += "/" + std::string(part);
    path.remove_prefix(end);
  }
  return plain.empty() ? "/" : plain;
}

}  // namespace v2vfs::inspect
