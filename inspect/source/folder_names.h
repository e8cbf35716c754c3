// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace v2vfs::inspect {

/// Gives machines their folder names: safe_component(name), and "-2", "-3", ... behind it where
/// that is taken. The same names in the same order give the same folders.
class FolderNames {
 public:
  std::string take(std::string_view machine_name);

 private:
  /// What stands in the mount beside the machines.
  std::set<std::string> taken_ = {"status.json", "vapp.json"};
  std::map<std::string, unsigned> copies_;  // the next number to try, by wanted name
};

}  // namespace v2vfs::inspect
