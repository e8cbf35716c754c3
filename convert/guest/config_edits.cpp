// SPDX-License-Identifier: MIT
#include "convert/guest/config_edits.h"

#include <algorithm>
#include <array>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::words_of;
using Words = std::vector<std::string_view>;

std::string_view without_quotes(std::string_view word) {
  const bool quoted =
      word.size() > 1 && (word[0] == '"' || word[0] == '\'') && word.back() == word[0];
  return quoted ? word.substr(1, word.size() - 2) : word;
}

/// Options whose value is a device.
void rename_options(TextEdit& text, std::string_view options, const Rename& link) {
  constexpr std::array kOptions = {"logdev=",      "rtdev=",  "journal_path=",      "device=",
                                   "journal_dev=", "header=", "x-systemd.requires="};
  for (const std::string_view part : list_parts(options)) {
    for (const std::string_view key : kOptions) {
      if (part.starts_with(key)) text.rename(part.substr(key.size()), link);
    }
  }
}

bool is_comment(const Words& words) { return words.empty() || words[0].starts_with('#'); }

bool has_part(std::string_view list, std::string_view wanted) {
  const Words parts = list_parts(list);
  return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

/// CD-ROMs of IDE are called like disks.
bool is_removable(const Words& words) {
  if (words.size() > 2 && (has_part(words[2], "iso9660") || has_part(words[2], "udf"))) return true;
  for (const std::string_view sign : {"cdrom", "cdrw", "dvd", "floppy"}) {
    if (words[1].find(sign) != std::string_view::npos) return true;
  }
  return false;
}

bool is_shared_folder(std::string_view type) {
  return type == "vmhgfs" || type == "fuse.vmhgfs-fuse" || type == "vboxsf" || type == "prl_fs";
}

bool is_random_key(std::string_view key) {
  return key == "/dev/urandom" || key == "/dev/random" || key == "/dev/hwrng";
}

/// "/dev/sdb1:/keys/root".
void rename_key_device(TextEdit& text, std::string_view key, const Rename& link) {
  const std::size_t colon = key.find(':');
  if (key.starts_with("/dev/") && colon != std::string_view::npos) {
    text.rename(key.substr(0, colon), link);
  }
}

}  // namespace

std::string edit_fstab(std::string_view text, const Renames& renames) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (is_comment(words) || words.size() < 2 || is_removable(words)) continue;
    edited.rename(without_quotes(words[0]), renames.tag);
    if (words.size() > 3) rename_options(edited, words[3], renames.link);
  }
  return edited.take();
}

std::string let_shared_folders_fail(std::string_view text) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (is_comment(words) || words.size() < 3 || !is_shared_folder(words[2])) continue;
    if (words.size() == 3) {
      edited.insert_behind(words[2], " defaults,nofail");
    } else if (!has_part(words[3], "nofail") && !has_part(words[3], "noauto")) {
      edited.insert_behind(words[3], ",nofail");
    }
  }
  return edited.take();
}

std::string edit_crypttab(std::string_view text, const Renames& renames) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (is_comment(words) || words.size() < 2) continue;
    const bool random = words.size() > 2 && is_random_key(words[2]);
    edited.rename(without_quotes(words[1]), random ? renames.part : renames.tag);
    if (words.size() > 2) rename_key_device(edited, words[2], renames.link);
    if (words.size() > 3) rename_options(edited, words[3], renames.link);
  }
  return edited.take();
}

std::string edit_cryptroot(std::string_view text, const Rename& rename) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    for (const std::string_view part : list_parts(without_end(line))) {
      if (part.starts_with("source=")) edited.rename(part.substr(7), rename);
    }
  }
  return edited.take();
}

std::string edit_device_map(std::string_view text, const Rename& rename) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const Words words = words_of(line);
    if (!is_comment(words) && words.size() > 1) edited.rename(words[1], rename);
  }
  return edited.take();
}

std::string edit_mount_unit(std::string_view text, const Rename& link) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view content = trim(line);
    if (content.starts_with("What=")) edited.rename(trim(content.substr(5)), link);
  }
  return edited.take();
}

std::string edit_assignments(std::string_view text, const std::set<std::string_view>& names,
                             const Rename& rename) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view content = trim(line);
    const std::size_t equals = content.find('=');
    if (equals == std::string_view::npos || names.count(content.substr(0, equals)) == 0) continue;
    const Words words = words_of(content.substr(equals + 1));
    if (!words.empty()) edited.rename(without_quotes(words[0]), rename);
  }
  return edited.take();
}

std::string edit_script_devices(std::string_view text, const Rename& rename) {
  constexpr std::string_view kBreaks = " \t\r\n\"'=;()[]";
  TextEdit edited(text);
  std::size_t at = text.find_first_not_of(kBreaks);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kBreaks, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (word.starts_with("/dev/")) edited.rename(word, rename);
    at = text.find_first_not_of(kBreaks, end);
  }
  return edited.take();
}

}  // namespace v2vfs::convert
