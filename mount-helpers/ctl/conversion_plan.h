// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace v2vfs::ctl {

/// conversion.json as it is read by those who are not the daemon.
struct ConversionPlan {
  std::string state, reason;
  std::vector<std::pair<std::string, std::string>> capabilities;  // in the file's order
  struct Step {
    std::string kind, path, why, target, diff;
    std::optional<std::string> outcome;
    std::vector<std::string> drivers;
  };
  std::vector<Step> steps;
  std::vector<std::string> notes, assumptions;
};

/// Throws Error(EIO) with `name` for what is no conversion.json.
ConversionPlan parse_conversion(const std::string& text, const std::string& name);

}  // namespace v2vfs::ctl
