// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect {

/// One scalar of a YAML text and the keys that lead to it; elements of lists have their list's
/// keys.
struct YamlScalar {
  std::vector<std::string> path;
  std::string value;
};

/// The scalars of a YAML text as configuration files have it: mappings and lists by indentation or
/// in
/// [] and {}, quotes, comments. No anchors, tags, or texts of several lines. At most 16 levels and
/// 10,000 scalars; what it does not understand it leaves out. Pure.
std::vector<YamlScalar> yaml_scalars(std::string_view text);

}  // namespace v2vfs::inspect
