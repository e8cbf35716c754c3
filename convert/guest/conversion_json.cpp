// SPDX-License-Identifier: MIT
#include "convert/guest/conversion_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "convert/guest/text_diff.h"
#include "inspect/base/text.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestPath = 16 << 10;
constexpr std::size_t kLongestSentence = 8 << 10;

const char* word(PlanState state) {
  return state == PlanState::planned ? "planned" : "unsupported";
}

const char* word(StepKind kind) {
  switch (kind) {
    case StepKind::edit:
      return "edit";
    case StepKind::create:
      return "create";
    case StepKind::copy:
      return "copy";
    case StepKind::link:
      return "link";
    case StepKind::remove:
      return "remove";
  }
  return "edit";
}

const char* word(BlockBus bus) {
  switch (bus) {
    case BlockBus::source:
      return "source";
    case BlockBus::sata:
      return "sata";
    case BlockBus::virtio_blk:
      return "virtio";
    case BlockBus::virtio_scsi:
      return "virtio-scsi";
  }
  return "source";
}

const char* word(GuestNic nic) {
  switch (nic) {
    case GuestNic::source:
      return "source";
    case GuestNic::virtio:
      return "virtio";
    case GuestNic::e1000e:
      return "e1000e";
    case GuestNic::e1000:
      return "e1000";
  }
  return "source";
}

Json path_of(const std::string& path) { return clean_text(path, kLongestPath); }
Json sentence(const std::string& text) { return clean_text(text, kLongestSentence); }

Json sentences(const std::vector<std::string>& list) {
  Json array = Json::array();
  for (const std::string& each : list) array.push_back(sentence(each));
  return array;
}

Json outcome_of(const ConversionResult* result, const std::string& path) {
  if (!result) return nullptr;
  const auto found = result->outcomes.find(path);
  return found == result->outcomes.end() ? Json(nullptr) : sentence(found->second);
}

/// Names in a diff are paths below the guest's root, as patch -p1 takes them.
std::string diff_of(const std::string& path, const std::string* before, const std::string* after) {
  const std::string name = clean_text(path, kLongestPath);
  return clean_multiline(unified_diff(before ? "a" + name : "/dev/null", before ? *before : "",
                                      after ? "b" + name : "/dev/null", after ? *after : ""));
}

std::string diff_of(const PlanStep& step) {
  switch (step.kind) {
    case StepKind::edit:
      return diff_of(step.path, &step.before, &step.after);
    case StepKind::create:
      return diff_of(step.path, nullptr, &step.after);
    case StepKind::remove:
      return step.before.empty() ? "" : diff_of(step.path, &step.before, nullptr);
    case StepKind::copy:
    case StepKind::link:
      break;
  }
  return "";
}

Json step_object(const PlanStep& step, const ConversionResult* result) {
  Json object = {
      {"kind", word(step.kind)}, {"path", path_of(step.path)}, {"why", sentence(step.why)}};
  if (!step.target.empty()) object["target"] = path_of(step.target);
  if (step.kind == StepKind::create) object["mode"] = fmt::format("{:04o}", step.permissions);
  object["diff"] = diff_of(step);
  object["outcome"] = outcome_of(result, step.path);
  return object;
}

Json initrd_object(const InitrdNeed& need, const ConversionResult* result) {
  std::string diffs;
  for (const ImageFile& file : need.files) {
    diffs += diff_of("/" + file.name, file.before ? &*file.before : nullptr, &file.after);
  }
  Json object = {{"kind", "initrd"},
                 {"path", path_of(need.path)},
                 {"why", sentence(need.why)},
                 {"kernel", sentence(need.kernel)},
                 {"drivers", sentences(need.drivers)},
                 {"diff", diffs},
                 {"outcome", outcome_of(result, need.path)}};
  if (!need.rebuild.empty()) object["rebuild"] = sentences(need.rebuild);
  return object;
}

Json steps_of(const ConversionPlan& plan, const ConversionResult* result) {
  Json steps = Json::array();
  for (const PlanStep& step : plan.steps) steps.push_back(step_object(step, result));
  for (const InitrdNeed& need : plan.initrds) steps.push_back(initrd_object(need, result));
  return steps;
}

Json capabilities_object(const Capabilities& can) {
  return {{"block_bus", word(can.block_bus)},
          {"nic_model", word(can.nic)},
          {"machine", can.q35 ? "q35" : "pc"},
          {"transitional", can.transitional},
          {"firmware", can.uefi ? "uefi" : "bios"},
          {"cpu", can.cpu},
          {"rng", can.rng},
          {"balloon", can.balloon},
          {"virtio_serial", can.virtio_serial},
          {"guest_agent", can.guest_agent},
          {"console", clean_text(can.console)}};
}

Json problems(const std::vector<inspect::Problem>& list) {
  Json array = Json::array();
  for (const inspect::Problem& each : list) {
    array.push_back({{"code", each.code},
                     {"severity", inspect::word(each.severity)},
                     {"what", sentence(each.what)},
                     {"fix", sentence(each.fix)}});
  }
  return array;
}

}  // namespace

std::string conversion_json(const ConversionPlan& plan, const ConversionResult* result) {
  const bool unsupported = plan.state == PlanState::unsupported;
  const Json json = {
      {"state", result ? result->state : word(plan.state)},
      {"reason", sentence(result && !result->reason.empty() ? result->reason : plan.reason)},
      {"capabilities", unsupported ? Json(nullptr) : capabilities_object(plan.capabilities)},
      {"steps", steps_of(plan, result)},
      {"notes", sentences(plan.notes)},
      {"assumptions", sentences(plan.assumptions)},
      {"readiness", problems(plan.readiness)}};
  return json.dump(2) + "\n";
}

std::string plan_beside_edits(const std::string& conversion_json,
                              const std::vector<std::string>& edited) {
  Json plan = Json::parse(conversion_json, nullptr, false);
  if (edited.empty() || plan.is_discarded() || plan["state"] != "planned") return conversion_json;
  Json steps = Json::array();
  for (Json& step : plan["steps"]) {
    const bool is_left = std::any_of(edited.begin(), edited.end(), [&](const std::string& path) {
      return step["kind"] != "initrd" && step["path"] == path_of(path);
    });
    if (is_left) {
      plan["notes"].push_back(step["path"].get<std::string>() + " is left as it was edited");
    } else {
      steps.push_back(std::move(step));
    }
  }
  plan["steps"] = std::move(steps);
  return plan.dump(2) + "\n";
}

}  // namespace v2vfs::convert
