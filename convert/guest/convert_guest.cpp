// SPDX-License-Identifier: MIT
#include "convert/guest/convert_guest.h"

#include <algorithm>
#include <cerrno>

#include "convert/guest/apply_edits.h"
#include "convert/guest/initrd_images.h"
#include "convert/guest/mount_to_write.h"
#include "convert/guest/plan_edits.h"
#include "convert/guest/rebuild_initrds.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/filesystems_in_use.h"

namespace v2vfs::convert {
namespace {

using inspect::Guest;
using inspect::GuestFacts;
using inspect::GuestInspection;

constexpr const char* kDone = "done";

/// A conversion that ends before anything may be kept.
Conversion ended(ConversionPlan plan, const char* state, std::string reason) {
  return {std::move(plan), {state, std::move(reason), {}}};
}

bool rebuilds(const ConversionPlan& plan) {
  return std::any_of(plan.initrds.begin(), plan.initrds.end(),
                     [](const InitrdNeed& need) { return !need.rebuild.empty(); });
}

/// What is written to: by a tool of the guest's own, the parts of its system.
std::vector<std::string> paths_of(const ConversionPlan& plan, const GuestFacts& facts) {
  std::vector<std::string> paths;
  for (const PlanStep& step : plan.steps) paths.push_back(step.path);
  for (const InitrdNeed& need : plan.initrds) paths.push_back(need.path);
  if (!rebuilds(plan)) return paths;
  for (const inspect::GuestMount& mount : facts.mount_plan) {
    if (mount.mountpoint == "/") paths.emplace_back("/.");
    for (const char* const part : {"/boot/", "/etc/", "/tmp/", "/usr/", "/var/"}) {
      if ((mount.mountpoint + "/").starts_with(part)) paths.push_back(mount.mountpoint + "/.");
    }
  }
  return paths;
}

bool has_target(Guest& guest, const PlanStep& step) {
  return guest.readlink(step.path) == step.target;
}

bool has_text(Guest& guest, const PlanStep& step) {
  const auto text = inspect::read_whole(guest, step.path, kLargestEdit);
  return text && *text == step.after;
}

bool is_gone(Guest& guest, const PlanStep& step) {
  try {
    guest.stat(step.path);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT) return true;
    throw;
  }
  return false;
}

bool is_as_planned(Guest& guest, const PlanStep& step) {
  switch (step.kind) {
    case StepKind::edit:
    case StepKind::create:
      return has_text(guest, step);
    case StepKind::copy:
      return !is_gone(guest, step);
    case StepKind::link:
      return has_target(guest, step);
    case StepKind::remove:
      return is_gone(guest, step);
  }
  return false;
}

/// Fills in what became of each step; the first thing that went wrong, or nothing.
std::string apply_steps(Guest& guest, const ConversionPlan& plan, ConversionResult& result) {
  std::string failure;
  for (const EditOutcome& outcome : apply_edits(guest, edits_of_plan(guest, plan))) {
    if (!outcome.failure) continue;
    result.outcomes[outcome.path] = outcome.failure->sentence();
    if (failure.empty()) failure = outcome.failure->sentence();
  }
  for (const PlanStep& step : plan.steps) {
    if (result.outcomes.contains(step.path)) continue;
    const bool good = is_as_planned(guest, step);
    result.outcomes[step.path] = good ? kDone : "read again, it is not as planned";
    if (!good && failure.empty()) failure = clean_text(step.path) + " is not as planned";
  }
  return failure;
}

/// All initrds are made before anything is written: a guest that would not start stays as it is.
void add_to_initrds(Guest& guest, const GuestFacts& facts, const ConversionRequest& request,
                    Conversion& done) {
  request.on_stage("making initrds");
  const auto images = make_images(guest, facts, done.plan, request.work_folder);
  if (std::string why = why_it_would_not_start(facts, images); !why.empty()) {
    done.plan.state = PlanState::unsupported;
    done.result = {"unsupported", std::move(why), {}};
    return;
  }
  request.on_stage("writing");
  done.result.reason = apply_steps(guest, done.plan, done.result);
  if (done.result.reason.empty()) write_images(guest, images, done.result.outcomes);
}

/// What a guest that was planned for must still be after its own tools ran; else why it is not.
std::string why_not_as_planned(const ConversionPlan& plan, const ConversionPlan& rest) {
  if (rest.state == PlanState::unsupported) return rest.reason;
  if (!rest.steps.empty()) return clean_text(rest.steps[0].path) + " is not as planned any more";
  if (rest.capabilities == plan.capabilities) return "";
  return rest.reason.empty() ? "it needs other hardware than was planned" : rest.reason;
}

/// What the tools left is looked at as if the guest had come so: that is the check of their work,
/// and says what has to be added. By a reader that they never ran in.
std::string complete_initrds(Guest& guest, const ConversionRequest& request, Conversion& done) {
  request.on_stage("inspecting");
  guest.start_anew();
  const GuestInspection found = inspect::inspect_guest(guest, request.inspect);
  ConversionOptions options = request.options;
  options.rebuild_initrds = false;
  const ConversionPlan rest = plan_conversion(found, request.spec, options);
  if (const std::string why = why_not_as_planned(done.plan, rest); !why.empty()) {
    return "after its own tools made the initrds: " + why;
  }
  const GuestFacts& facts = *found.chosen_guest();
  request.on_stage("making initrds");
  mount_to_write(guest, facts, paths_of(rest, facts));
  const auto images = make_images(guest, facts, rest, request.work_folder);
  const std::string why = why_it_would_not_start(facts, images);
  if (why.empty()) write_images(guest, images, done.result.outcomes);
  return why;
}

/// What a tool did, and what became of its image then. An image without an outcome lacked nothing.
void add_remark(std::map<std::string, std::string>& outcomes, const std::string& path,
                const std::string& remark) {
  const auto [at, lacked_nothing] = outcomes.try_emplace(path, kDone);
  if (remark.empty()) return;
  const bool was_added_to = !lacked_nothing && at->second == kDone;
  const std::string then = was_added_to ? "; what it lacked was added" : "; " + at->second;
  at->second = remark + (lacked_nothing ? "" : then);
}

/// The guest's own tools read the files as planned.
void make_initrds_anew(Guest& guest, const GuestFacts& facts, const ConversionRequest& request,
                       Conversion& done) {
  std::string& failure = done.result.reason;
  request.on_stage("writing");
  failure = apply_steps(guest, done.plan, done.result);
  if (!failure.empty()) return;
  request.on_stage("rebuilding initrds");
  Rebuilt rebuilt = rebuild_initrds(guest, facts, done.plan);
  failure = std::move(rebuilt.failure);
  if (failure.empty()) failure = complete_initrds(guest, request, done);
  for (const auto& [path, remark] : rebuilt.remarks) add_remark(done.result.outcomes, path, remark);
  if (!failure.empty()) done.result.outcomes.clear();  // nothing of it is kept
}

}  // namespace

Conversion convert_guest(Guest& guest, const ConversionRequest& request) {
  request.on_stage("inspecting");
  const GuestInspection found = inspect::inspect_guest(guest, request.inspect);
  Conversion done;
  done.plan = plan_conversion(found, request.spec, request.options);
  if (std::string why = inspect::why_not_shut_down(found);
      request.expect_shut_down && !why.empty()) {
    return ended(std::move(done.plan), "not-shut-down", std::move(why));
  }
  if (done.plan.state == PlanState::unsupported) {
    std::string reason = done.plan.reason;
    return ended(std::move(done.plan), "unsupported", std::move(reason));
  }
  const GuestFacts& facts = *found.chosen_guest();
  mount_to_write(guest, facts, paths_of(done.plan, facts));
  (rebuilds(done.plan) ? make_initrds_anew : add_to_initrds)(guest, facts, request, done);
  if (done.result.state.empty())
    done.result.state = done.result.reason.empty() ? "converted" : "failed";
  return done;
}

}  // namespace v2vfs::convert
