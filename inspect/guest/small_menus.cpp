// SPDX-License-Identifier: MIT
#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

void add_entry(BootMenu& menu, std::string_view name) {
  MenuEntry found;
  found.entry.title = name;
  found.entry.id = name;
  found.steps.push_back({menu.entries.size(), found.entry.title, found.entry.id});
  menu.entries.push_back(std::move(found));
}

void add_initrds(BootEntry& entry, std::string_view list) {
  while (!list.empty() && entry.initrds.size() < 16) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) entry.initrds.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

/// syslinux knows the initrd as a word of the command line, too.
void take_append(BootEntry& entry, std::string_view options) {
  entry.options.clear();
  for (const std::string_view word : words_of(options)) {
    if (word.starts_with("initrd=")) {
      add_initrds(entry, word.substr(7));
    } else {
      entry.options += (entry.options.empty() ? "" : " ") + std::string(word);
    }
  }
}

/// The line's first word in lower case, and what follows it.
std::pair<std::string, std::string_view> syslinux_command(std::string_view line) {
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  return {to_lower(line.substr(0, end)), trim(line.substr(end))};
}

void take_menu_line(BootMenu& menu, std::string_view rest) {
  const auto [what, value] = syslinux_command(rest);
  if (what == "include" && menu.includes.size() < kFilesIncluded) menu.includes.emplace_back(value);
  if (menu.entries.empty()) return;
  MenuEntry& last = menu.entries.back();
  if (what == "default") menu.default_name = last.entry.id;
  if (what == "label") {
    std::string title(value);
    std::erase(title, '^');
    last.entry.title = title;
  }
}

}  // namespace

BootMenu parse_syslinux(std::string_view text) {
  BootMenu menu;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty() || line[0] == '#') continue;
    const auto [command, rest] = syslinux_command(line);
    if (command == "default" && menu.default_name.empty()) menu.default_name = rest;
    if (command == "include" && menu.includes.size() < kFilesIncluded) {
      menu.includes.emplace_back(rest);
    }
    if (command == "label" && menu.entries.size() < kBootEntries) add_entry(menu, rest);
    if (command == "menu") take_menu_line(menu, rest);
    if (menu.entries.empty()) continue;
    BootEntry& entry = menu.entries.back().entry;
    if (command == "kernel" || command == "linux") entry.kernel = rest;
    if (command == "initrd") add_initrds(entry, rest);
    if (command == "append") take_append(entry, rest);
  }
  return menu;
}

BootMenu parse_lilo(std::string_view text) {
  BootMenu menu;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = without_comment(raw);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key = to_lower(trim(line.substr(0, equals)));
    std::string value(trim(line.substr(equals + 1)));
    std::erase(value, '"');
    if (key == "default") menu.default_name = value;
    if ((key == "image" || key == "other") && menu.entries.size() < kBootEntries) {
      add_entry(menu, "");
      if (key == "image") menu.entries.back().entry.kernel = value;
    }
    if (menu.entries.empty()) continue;
    MenuEntry& last = menu.entries.back();
    if (key == "initrd") add_initrds(last.entry, value);
    if (key == "append") last.entry.options = value;
    if (key == "root")
      last.entry.options += (last.entry.options.empty() ? "" : " ") + ("root=" + value);
    if (key == "label") {
      last.entry.title = last.entry.id = value;
      last.steps.back() = {last.steps.back().index, value, value};
    }
  }
  return menu;
}

}  // namespace v2vfs::inspect
