// SPDX-License-Identifier: MIT
#include "inspect/guest/fragile_devices.h"

#include <algorithm>
#include <array>

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"root=", "resume=", "RESUME=", "cryptdevice="};

void add_fragile(std::vector<FragileDevice>& found, const std::string& file, std::size_t line,
                 const std::string& spec, const DeviceNames& names) {
  if (!is_fragile_device(spec)) return;
  FragileDevice fragile{file, line, spec, "", ""};
  if (const auto device = names.resolve(spec)) {
    fragile.device = *device;
    fragile.replacement = names.stable_name(*device).value_or("");
  }
  found.push_back(std::move(fragile));
}

/// What stands between blanks and quotes.
std::vector<std::string_view> unquoted_words(std::string_view line) {
  constexpr std::string_view kBetween = " \t\"'";
  std::vector<std::string_view> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(kBetween), line.size()));
    if (line.empty()) return words;
    const std::size_t end = std::min(line.find_first_of(kBetween), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

/// The device that words[i] names, cryptdevice's mapping behind the colon left out; empty: none.
/// In RESUME="/dev/sda5" it is the next word.
std::string_view device_at(const std::vector<std::string_view>& words, std::size_t i) {
  for (const std::string_view name : kWords) {
    if (!words[i].starts_with(name)) continue;
    std::string_view value = words[i].substr(name.size());
    if (value.empty() && i + 1 < words.size()) value = words[i + 1];
    return value.substr(0, value.find(':'));
  }
  return {};
}

}  // namespace

std::vector<FragileDevice> fragile_devices(const std::vector<FstabEntry>& fstab,
                                           const std::vector<CrypttabEntry>& crypttab,
                                           const DeviceNames& names) {
  std::vector<FragileDevice> found;
  for (const FstabEntry& entry : fstab) {
    add_fragile(found, "/etc/fstab", entry.line, entry.spec, names);
  }
  for (const CrypttabEntry& entry : crypttab) {
    add_fragile(found, "/etc/crypttab", entry.line, entry.device, names);
  }
  return found;
}

std::vector<FragileDevice> fragile_words(const std::string& file, std::string_view text,
                                         const DeviceNames& names) {
  std::vector<FragileDevice> found;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    if (trim(line).starts_with('#')) continue;
    const std::vector<std::string_view> words = unquoted_words(line);
    for (std::size_t i = 0; i < words.size() && found.size() < kBootEntries; ++i) {
      add_fragile(found, file, number, std::string(device_at(words, i)), names);
    }
  }
  return found;
}

}  // namespace v2vfs::inspect
