// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "convert/guest/conversion_plan.h"
#include "inspect/guest/guest.h"

namespace v2vfs::fs {

/// What a conversion will do to the guest that was found.
using PlanGuest = std::function<convert::ConversionPlan(const inspect::GuestInspection&)>;

/// What a conversion will make of a path.
struct PlannedFile {
  enum class Kind : std::uint8_t { file, symlink, folder, absent };
  Kind kind = Kind::file;
  std::string text;  // of a file
  std::string target;
  std::uint32_t permissions = 0644;  // of one that is not there yet
};

/// A conversion's plan as the tree that it leads to, for whoever looks at it before. Copies of the
/// guest's own files are left out: they are shown once they are there. A value.
class PlannedFiles {
 public:
  PlannedFiles() = default;
  explicit PlannedFiles(const convert::ConversionPlan& plan);

  /// nullptr: it stays as it is. A folder stands for one that is there only if the guest has none.
  const PlannedFile* find(const std::string& path) const;
  /// Names directly below a folder.
  std::vector<std::string> names_in(const std::string& folder) const;

 private:
  void add_folders(const std::string& path);

  std::map<std::string, PlannedFile> files_;
};

}  // namespace v2vfs::fs
