// SPDX-License-Identifier: MIT
#include "convert/guest/system_edits.h"

#include <algorithm>
#include <set>

#include "convert/guest/text_edit.h"
#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::words_of;
using Words = std::vector<std::string_view>;

bool is_xen_console(std::string_view word) { return word == "hvc0" || word == "xvc0"; }

bool is_comment(std::string_view line) { return trim(line).starts_with('#'); }

bool has_word(std::string_view line, std::string_view wanted) {
  const Words words = words_of(line);
  return std::find(words.begin(), words.end(), wanted) != words.end();
}

bool any_line_has(std::string_view text, std::string_view word) {
  for (const std::string_view line : whole_lines(text)) {
    if (!is_comment(line) && has_word(line, word)) return true;
  }
  return false;
}

void comment_out(TextEdit& text, std::string_view line) { text.replace(line.substr(0, 0), "#"); }

/// "1" of "1:2345:respawn:/sbin/getty 38400 tty1".
std::string_view inittab_id(std::string_view line) {
  return line.substr(0, std::min(line.find(':'), line.size()));
}

bool is_screen_login(std::string_view line) {
  const std::string_view id = inittab_id(line);
  const bool one_to_six = id.size() == 1 && id[0] >= '1' && id[0] <= '6';
  return one_to_six && line.find(":respawn:") != std::string_view::npos &&
         line.find("getty") != std::string_view::npos && has_word(line, "tty" + std::string(id));
}

bool is_hypervisors_display(std::string_view driver) {
  const std::string lower = to_lower(driver);
  return lower == "vmware" || lower == "vmwlegacy" || lower == "vboxvideo" || lower == "prlvideo";
}

/// What a Section of xorg.conf says of a card.
struct XorgSection {
  std::string_view driver;
  std::string_view place;  // the line with BusID; none: no data
};

bool is_in(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string_view unquoted(std::string_view word) {
  while (word.starts_with('"')) word.remove_prefix(1);
  while (word.ends_with('"')) word.remove_suffix(1);
  return word;
}

std::vector<XorgSection> xorg_sections(std::string_view text) {
  std::vector<XorgSection> sections(1);
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (words.size() < 2) continue;
    if (equals_ignoring_case(words[0], "Section")) sections.emplace_back();
    if (equals_ignoring_case(words[0], "Driver")) sections.back().driver = unquoted(words[1]);
    if (equals_ignoring_case(words[0], "BusID")) sections.back().place = line;
  }
  return sections;
}

bool is_nic_alias(const Words& words) {
  return words.size() > 2 && words[0] == "alias" && words[1].starts_with("eth") &&
         words[1].size() > 3 && words[1][3] >= '0' && words[1][3] <= '9';
}

bool is_disk_alias(const Words& words) {
  return words.size() > 2 && words[0] == "alias" && words[1].starts_with("scsi_hostadapter");
}

bool is_vmware_address(std::string_view line) {
  return line.find("packages.vmware.com") != std::string_view::npos;
}

/// One [section] of a repository file.
struct Section {
  std::string_view head;
  std::string_view enabled;  // "enabled=1"; no data: none
  bool vmware = false;
};

std::vector<Section> repository_sections(std::string_view text) {
  std::vector<Section> sections;
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view content = trim(line);
    if (content.starts_with('[')) sections.push_back({line, {}, false});
    if (sections.empty() || is_comment(line)) continue;
    if (is_vmware_address(content)) sections.back().vmware = true;
    const std::size_t equals = content.find('=');
    if (equals == std::string_view::npos || trim(content.substr(0, equals)) != "enabled") continue;
    sections.back().enabled = content;
  }
  return sections;
}

/// What is between the quotes or brackets of NAME="..."; nullptr data: no such line.
std::string_view value_of(std::string_view text, std::string_view name) {
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view content = trim(line);
    if (!content.starts_with(name) || content.size() < name.size() + 3) continue;
    const std::string_view rest = content.substr(name.size());
    const char open = rest[1];
    const bool list = rest[0] == '=' && (open == '"' || open == '\'' || open == '(');
    const std::size_t close = list ? rest.find(open == '(' ? ')' : open, 2) : rest.npos;
    if (close != std::string_view::npos) return rest.substr(2, close - 2);
  }
  return {};
}

}  // namespace

std::string edit_inittab_console(std::string_view text) {
  TextEdit edited(text);
  bool has_serial = any_line_has(text, "ttyS0");
  for (const std::string_view line : whole_lines(text)) {
    if (is_comment(line) || line.find(":respawn:") == std::string_view::npos) continue;
    for (const std::string_view word : words_of(line)) {
      if (!is_xen_console(word)) continue;
      if (has_serial) {
        comment_out(edited, line);
      } else {
        edited.replace(word, "ttyS0");
      }
      has_serial = true;
    }
  }
  return edited.take();
}

std::string restore_inittab_logins(std::string_view text) {
  TextEdit edited(text);
  std::set<std::string_view> taken;
  for (const std::string_view line : whole_lines(text)) {
    if (!is_comment(line)) taken.insert(inittab_id(line));
  }
  for (const std::string_view line : whole_lines(text)) {
    if (!line.starts_with('#') || !is_screen_login(without_end(line.substr(1)))) continue;
    if (taken.insert(inittab_id(line.substr(1))).second) edited.replace(line.substr(0, 1), "");
  }
  return edited.take();
}

std::string edit_securetty(std::string_view text) {
  if (any_line_has(text, "ttyS0")) return std::string(text);
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view name = trim(line);
    if (!is_xen_console(name)) continue;
    edited.replace(name, "ttyS0");
    break;
  }
  return edited.take();
}

std::string edit_xorg(std::string_view text, std::string_view driver) {
  TextEdit edited(text);
  for (const XorgSection& section : xorg_sections(text)) {
    if (!is_hypervisors_display(section.driver)) continue;
    edited.replace(section.driver, std::string(driver));
    // The X server stops where no card is at the place named.
    if (section.place.data() != nullptr) comment_out(edited, section.place);
  }
  return edited.take();
}

bool has_disk_alias(std::string_view text) {
  for (const std::string_view line : whole_lines(text)) {
    if (is_disk_alias(words_of(line))) return true;
  }
  return false;
}

std::string edit_modprobe_aliases(std::string_view text, std::string_view nic,
                                  const std::vector<std::string>& disks) {
  TextEdit edited(text);
  std::size_t seen = 0;
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (is_nic_alias(words) && words[2] != nic && !nic.empty()) {
      edited.replace(words[2], std::string(nic));
    }
    if (!is_disk_alias(words) || disks.empty()) continue;
    const std::size_t number = seen++;
    if (number >= disks.size()) {
      edited.replace(line, "");
    } else if (words[2] != disks[number]) {
      edited.replace(words[2], disks[number]);
    }
  }
  return edited.take();
}

std::string disable_vmware_repositories(std::string_view text) {
  TextEdit edited(text);
  for (const Section& section : repository_sections(text)) {
    if (!section.vmware) continue;
    if (section.enabled.data() == nullptr) {
      const bool ended = section.head.ends_with('\n');
      edited.insert_behind(section.head, ended ? "enabled=0\n" : "\nenabled=0\n");
      continue;
    }
    const std::string_view value = section.enabled.substr(section.enabled.find('=') + 1);
    const std::string_view word = trim(value);
    if (word != "0") edited.replace(word.empty() ? value : word, "0");
  }
  return edited.take();
}

std::string disable_vmware_sources(std::string_view text) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    if (!is_comment(line) && is_vmware_address(line)) comment_out(edited, line);
  }
  return edited.take();
}

/// Values keep their blanks unless words of them go.
std::string add_words(std::string_view text, std::string_view name,
                      const std::vector<std::string>& wanted,
                      const std::vector<std::string>& not_wanted) {
  const std::string_view value = value_of(text, name);
  if (value.data() == nullptr) return std::string(text);
  std::string kept, added;
  bool some_go = false;
  const Words words = words_of(value);
  for (const std::string_view word : words) {
    const bool goes = is_in(not_wanted, word);
    some_go = some_go || goes;
    if (!goes) kept += (kept.empty() ? "" : " ") + std::string(word);
  }
  if (!some_go) kept = value;
  for (const std::string& word : wanted) {
    if (std::find(words.begin(), words.end(), word) != words.end()) continue;
    added += (kept.empty() && added.empty() ? "" : " ") + word;
  }
  TextEdit edited(text);
  if (some_go || !added.empty()) edited.replace(value, kept + added);
  return edited.take();
}

}  // namespace v2vfs::convert
