// SPDX-License-Identifier: MIT
#include "convert/guest/volume_edits.h"

#include <algorithm>
#include <set>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::words_of;
using Words = std::vector<std::string_view>;

bool names_disks(std::string_view word) {
  for (const std::string_view start : {"/dev/sd", "/dev/hd", "/dev/xvd", "/dev/nvme"}) {
    if (word.starts_with(start)) return true;
  }
  return false;
}

/// Lines that start with a blank continue the one before.
std::vector<Words> mdadm_entries(std::string_view text) {
  std::vector<Words> entries;
  for (const std::string_view line : whole_lines(text)) {
    const bool continues = line.starts_with(' ') || line.starts_with('\t');
    if (!continues) entries.emplace_back();
    if (entries.empty()) continue;
    for (const std::string_view word : words_of(line)) {
      if (word.starts_with('#')) break;
      entries.back().push_back(word);
    }
  }
  return entries;
}

void add_partitions(TextEdit& text, const Words& words) {
  const bool known = std::find(words.begin(), words.end(), "partitions") != words.end();
  if (!known && std::any_of(words.begin(), words.end(), names_disks)) {
    text.insert_behind(words.back(), " partitions");
  }
}

void edit_array(TextEdit& text, const Words& words, const Rename& kernel_name) {
  const bool has_uuid = std::any_of(words.begin(), words.end(), [](std::string_view word) {
    return to_lower(word).starts_with("uuid=");
  });
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!to_lower(words[i]).starts_with("devices=")) continue;
    if (has_uuid) {
      // With the blank in front of it, but for one by which a line continues the one before.
      const std::string_view all = text.text();
      const auto start = static_cast<std::size_t>(words[i].data() - all.data());
      const std::size_t blank = start > 1 && all[start - 2] != '\n' ? 1 : 0;
      text.replace(all.substr(start - blank, words[i].size() + blank), "");
      continue;
    }
    for (const std::string_view part : list_parts(words[i].substr(8))) {
      if (!part.starts_with("/dev/")) continue;
      text.rename(part.substr(5), kernel_name);
    }
  }
}

/// The same pattern for the disks of another bus; nothing where it names none.
std::string pattern_for(std::string_view pattern, std::string_view prefix) {
  if (pattern.size() < 4 || (pattern[0] != 'a' && pattern[0] != 'r')) return "";
  const bool by_link = pattern.find("/by-path/") != std::string_view::npos ||
                       pattern.find("/by-id/") != std::string_view::npos ||
                       pattern.find("nvme") != std::string_view::npos;
  if (by_link) return pattern[0] == 'a' ? "a|^/dev/" + std::string(prefix) + "|" : "";
  std::string made;
  bool changed = false;
  for (std::size_t i = 0; i < pattern.size();) {
    const bool starts =
        i > 0 && std::string_view("/^(|").find(pattern[i - 1]) != std::string_view::npos;
    std::size_t length = 0;
    for (const std::string_view old : {"sd", "hd", "vd", "xvd"}) {
      if (starts && old != prefix && pattern.substr(i).starts_with(old)) length = old.size();
    }
    made += length > 0 ? std::string(prefix) : std::string(1, pattern[i]);
    changed = changed || length > 0;
    i += std::max<std::size_t>(length, 1);
  }
  return changed ? made : "";
}

/// Strings in quotes of a part.
Words quoted_strings(std::string_view part) {
  Words strings;
  std::size_t at = part.find('"');
  while (at != std::string_view::npos) {
    const std::size_t end = part.find('"', at + 1);
    if (end == std::string_view::npos) break;
    strings.push_back(part.substr(at + 1, end - at - 1));
    at = part.find('"', end + 1);
  }
  return strings;
}

void edit_filter(TextEdit& text, std::string_view list, std::string_view prefix) {
  const Words patterns = quoted_strings(list);
  std::set<std::string> known(patterns.begin(), patterns.end());
  for (const std::string_view pattern : patterns) {
    const std::string made = pattern_for(pattern, prefix);
    if (made.empty() || !known.insert(made).second) continue;
    const auto end = static_cast<std::size_t>(pattern.data() - text.text().data()) + pattern.size();
    text.insert_behind(text.text().substr(end, 1), ", \"" + made + "\"");
  }
}

}  // namespace

std::string edit_mdadm(std::string_view text, const Rename& kernel_name) {
  TextEdit edited(text);
  for (const Words& words : mdadm_entries(text)) {
    if (words.size() < 2) continue;
    const std::string key = to_lower(words[0]);
    if (key == "device") add_partitions(edited, words);
    if (key == "array") edit_array(edited, words, kernel_name);
  }
  return edited.take();
}

std::string edit_lvm_filters(std::string_view text, std::string_view prefix) {
  TextEdit edited(text);
  std::size_t done = 0;
  for (const std::string_view line : whole_lines(text)) {
    const auto start = static_cast<std::size_t>(line.data() - text.data());
    const std::string_view content = trim(line);
    const std::string_view key = content.substr(0, content.find_first_of(" \t=["));
    if (start < done || (key != "filter" && key != "global_filter")) continue;
    const std::size_t open = text.find('[', start);
    const std::size_t close = text.find(']', start);
    // One pattern needs no brackets; a class of characters in a pattern has some of its own.
    const std::size_t line_end = start + line.size();
    const bool list = open < line_end && close != std::string_view::npos;
    const std::size_t last = list ? std::max(line_end, close) : line_end;
    edit_filter(edited, text.substr(start, last - start), prefix);
    done = last;
  }
  return edited.take();
}

}  // namespace v2vfs::convert
