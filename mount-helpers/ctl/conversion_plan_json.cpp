// SPDX-License-Identifier: MIT
#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/conversion_plan.h"

namespace v2vfs::ctl {
namespace {

using Json = nlohmann::ordered_json;

ConversionPlan::Step step(const Json& object) {
  ConversionPlan::Step step;
  step.kind = object.at("kind");
  step.path = object.at("path");
  step.why = object.at("why");
  step.target = object.value("target", "");
  step.diff = object.at("diff");
  if (object.at("outcome").is_string()) step.outcome = object.at("outcome");
  step.drivers = object.value("drivers", std::vector<std::string>{});
  return step;
}

}  // namespace

ConversionPlan parse_conversion(const std::string& text, const std::string& name) try {
  const Json object = Json::parse(text);
  ConversionPlan plan;
  plan.state = object.at("state");
  plan.reason = object.at("reason");
  if (object.at("capabilities").is_object()) {
    for (const auto& [key, value] : object.at("capabilities").items()) {
      plan.capabilities.emplace_back(key,
                                     value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  for (const Json& each : object.at("steps")) plan.steps.push_back(step(each));
  plan.notes = object.at("notes");
  plan.assumptions = object.at("assumptions");
  return plan;
} catch (const nlohmann::json::exception& e) {
  throw Error(EIO, "{} is not understood ({}); are v2vfs and v2vfsctl of one version?", name,
              e.what());
}

}  // namespace v2vfs::ctl
