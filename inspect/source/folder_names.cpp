// SPDX-License-Identifier: MIT
#include "inspect/source/folder_names.h"

#include <fmt/core.h>

#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kLongest = 200;

/// At most `limit` bytes, not cut within a UTF-8 sequence.
std::string shortened(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80) --limit;
  text.resize(limit);
  return text;
}

}  // namespace

std::string FolderNames::take(std::string_view machine_name) {
  const std::string wanted = safe_component(machine_name);
  std::string name = wanted;
  // Where the last machine of this name stopped: a thousand clones are no million attempts.
  for (unsigned& copy = copies_.try_emplace(wanted, 2).first->second; !taken_.insert(name).second;
       ++copy) {
    const std::string suffix = fmt::format("-{}", copy);
    name = shortened(wanted, kLongest - suffix.size()) + suffix;
  }
  return name;
}

}  // namespace v2vfs::inspect
