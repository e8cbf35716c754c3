// SPDX-License-Identifier: MIT
#include "inspect/guest/boot_menu.h"

#include <algorithm>
#include <cctype>

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

using Environment = std::map<std::string, std::string>;

bool names(const MenuStep& step, std::string_view name) {
  return name == std::to_string(step.index) || name == step.title ||
         (!step.id.empty() && name == step.id);
}

std::vector<std::string> split_default(std::string_view name) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = name.find('>');
    parts.emplace_back(name.substr(0, at));
    if (at == std::string_view::npos) return parts;
    name.remove_prefix(at + 1);
  }
}

bool fits_steps(const MenuEntry& entry, const std::vector<std::string>& parts) {
  if (parts.size() > entry.steps.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!names(entry.steps[i], parts[i])) return false;
  }
  return true;
}

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The run of digits or of letters that `text` starts with.
std::string_view run_of(std::string_view text) {
  const bool digits = !text.empty() && is_digit(text[0]);
  std::size_t length = 0;
  while (length < text.size() && is_alnum(text[length]) && is_digit(text[length]) == digits) {
    ++length;
  }
  return text.substr(0, length);
}

int compare_runs(std::string_view a, std::string_view b) {
  if (is_digit(a[0]) != is_digit(b[0])) return is_digit(a[0]) ? 1 : -1;
  if (is_digit(a[0])) {
    a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
    b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  }
  return a.compare(b);
}

/// Drops what only separates. A tilde sorts before everything, the end included.
void drop_separators(std::string_view& text) {
  while (!text.empty() && !is_alnum(text[0]) && text[0] != '~') text.remove_prefix(1);
}

/// $name and ${name}, once: what the environment holds is not looked at again.
std::string expanded(std::string_view text, const Environment& environment) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') {
      out += text[i];
      continue;
    }
    const bool braces = i + 1 < text.size() && text[i + 1] == '{';
    std::size_t end = i + 1 + (braces ? 1 : 0);
    const std::size_t start = end;
    while (end < text.size() && (is_alnum(text[end]) || text[end] == '_')) ++end;
    const auto found = environment.find(std::string(text.substr(start, end - start)));
    if (found != environment.end() && out.size() < kSmallFileBytes) out += found->second;
    i = end - 1 + (braces && end < text.size() && text[end] == '}' ? 1 : 0);
  }
  return out;
}

}  // namespace

std::optional<std::size_t> find_default(const BootMenu& menu) {
  if (menu.entries.empty()) return std::nullopt;
  if (menu.default_name.empty()) return 0;
  // A title may hold a '>' of its own.
  for (const auto& parts :
       {std::vector<std::string>{menu.default_name}, split_default(menu.default_name)}) {
    for (std::size_t i = 0; i < menu.entries.size(); ++i) {
      if (fits_steps(menu.entries[i], parts)) return i;
    }
  }
  return std::nullopt;
}

int compare_versions(std::string_view a, std::string_view b) {
  while (true) {
    drop_separators(a);
    drop_separators(b);
    const bool a_tilde = a.starts_with('~');
    const bool b_tilde = b.starts_with('~');
    if (a_tilde != b_tilde) return a_tilde ? -1 : 1;
    if (a_tilde) {
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    if (a.empty() || b.empty()) return a.empty() == b.empty() ? 0 : a.empty() ? -1 : 1;
    const std::string_view left = run_of(a);
    const std::string_view right = run_of(b);
    if (const int order = compare_runs(left, right); order != 0) return order;
    a.remove_prefix(left.size());
    b.remove_prefix(right.size());
  }
}

void sort_bls_entries(std::vector<MenuEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const MenuEntry& a, const MenuEntry& b) {
    return compare_versions(a.entry.id, b.entry.id) > 0;
  });
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].steps.back().index = i;
}

std::map<std::string, std::string> parse_grubenv(std::string_view text) {
  Environment environment;
  for (const std::string_view line : lines_of(text.substr(0, kSmallFileBytes))) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || line.starts_with('#')) continue;
    std::string value;
    for (std::size_t i = equals + 1; i < line.size(); ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) ++i;
      value += line[i];
    }
    environment[std::string(line.substr(0, equals))] = std::move(value);
  }
  return environment;
}

MenuEntry parse_bls_entry(std::string_view name, std::string_view text,
                          const Environment& environment) {
  MenuEntry found;
  found.entry.id = name;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    const std::size_t blank = line.find_first_of(" \t");
    if (line.starts_with('#') || blank == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, blank);
    const std::string value = expanded(trim(line.substr(blank)), environment);
    if (key == "title") found.entry.title = value;
    if (key == "linux" || key == "efi") found.entry.kernel = value;
    if (key == "initrd") {
      for (const std::string_view word : words_of(value)) found.entry.initrds.emplace_back(word);
    }
    if (key == "options") {
      found.entry.options += (found.entry.options.empty() ? "" : " ") + value;
    }
  }
  found.steps.push_back({0, found.entry.title, found.entry.id});
  return found;
}

bool fits_pattern(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t behind_star = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      behind_star = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++behind_star;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace v2vfs::inspect
