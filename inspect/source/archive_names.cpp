// SPDX-License-Identifier: MIT
#include "inspect/source/archive_names.h"

#include <fmt/core.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {
constexpr std::size_t kMostIgnored = 100;
}

std::string ArchiveNames::admit(const std::string& name) {
  std::string relative;
  try {
    relative = relative_name(name);
  } catch (const Error& error) {
    if (error.error_number() != EACCES) throw;
    ignore(name, "named so that it would lie outside");
    return "";
  }
  if (!has_suffix(relative, ".ovf") || file_part(relative).starts_with("._")) return relative;
  if (descriptor_.empty()) {
    folder_ = folder_part(relative);
    descriptor_ = file_part(relative);
  } else {
    ignore(relative, "a second descriptor");
  }
  return relative;
}

void ArchiveNames::ignore(std::string_view name, std::string_view what) {
  if (ignored_.size() >= kMostIgnored) return;
  ignored_.push_back(
      fmt::format("The archive's member \"{}\" is left out: it is {}.", clean_text(name), what));
}

}  // namespace v2vfs::inspect
