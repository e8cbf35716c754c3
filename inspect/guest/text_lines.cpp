// SPDX-License-Identifier: MIT
#include "inspect/guest/text_lines.h"

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::string_view kBlank = " \t\r\n\f\v";

/// One word of a shell line from `at` on; `at` is behind it then.
std::string shell_word(std::string_view line, std::size_t& at) {
  std::string word;
  char quote = 0;
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (quote == 0 && kBlank.find(c) != std::string_view::npos) break;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote && quote != 0) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && at + 1 < line.size()) {
      word += line[++at];
    } else {
      word += c;
    }
  }
  return word;
}

bool is_name(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return false;
  }
  return true;
}

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < kLinesOfAFile) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = line.find_first_not_of(kBlank);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlank, end);
  }
  return words;
}

std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || kBlank.find(line[i - 1]) != std::string_view::npos)) {
      return trim(line.substr(0, i));
    }
  }
  return trim(line);
}

std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = line.find_first_not_of(kBlank);
  while (at != std::string_view::npos && at < line.size()) {
    words.push_back(shell_word(line, at));
    at = line.find_first_not_of(kBlank, at);
  }
  return words;
}

std::map<std::string, std::string> assignments_of(std::string_view text) {
  std::map<std::string, std::string> values;
  for (std::string_view line : lines_of(text)) {
    line = trim(line);
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || !is_name(line.substr(0, equals))) continue;
    std::size_t at = equals + 1;
    values[std::string(line.substr(0, equals))] = shell_word(line, at);
  }
  return values;
}

std::vector<IniLine> ini_lines(std::string_view text) {
  std::vector<IniLine> found;
  std::string section;
  for (std::string_view line : lines_of(text)) {
    line = trim(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2);
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    found.push_back({section, std::string(trim(line.substr(0, equals))),
                     std::string(trim(line.substr(equals + 1)))});
  }
  return found;
}

LeadingNumber leading_number(std::string_view text) {
  LeadingNumber number;
  for (const char c : text.substr(0, 9)) {
    if (c < '0' || c > '9') break;
    number.value = number.value * 10 + static_cast<unsigned>(c - '0');
    ++number.digits;
  }
  return number;
}

std::string join_path(std::string_view folder, std::string_view name) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  while (name.starts_with('/')) name.remove_prefix(1);
  return std::string(folder) + "/" + std::string(name);
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace v2vfs::inspect
