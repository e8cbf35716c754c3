// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/guest/conversion_plan.h"

namespace v2vfs::convert {

/// What became of a plan.
struct ConversionResult {
  std::string state;                            // "converted", "failed", "unsupported"
  std::string reason;                           // one sentence
  std::map<std::string, std::string> outcomes;  // by PlanStep::path, InitrdNeed::path
};

/// conversion.json: {state, reason, capabilities, steps[], notes[], assumptions[], readiness[]},
/// two spaces, UTF-8, a newline at the end; valid by conversion.schema.json. Each step has the
/// unified diff of what it changes. Without a result nothing has happened yet, and outcomes are
/// null. Every text of the guest is cleaned. Thread safe.
std::string conversion_json(const ConversionPlan& plan, const ConversionResult* result = nullptr);

/// conversion.json of a plan while `edited` paths wait, which a conversion leaves alone: no step is
/// about them, and `notes` says so. A text of anything else comes back as it is.
std::string plan_beside_edits(const std::string& conversion_json,
                              const std::vector<std::string>& edited);

}  // namespace v2vfs::convert
