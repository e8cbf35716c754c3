// SPDX-License-Identifier: MIT
#include "convert/guest/convert_guest.h"

#include <algorithm>
#include <cerrno>

#include "convert/guest/apply_edits.h"
#include "convert/guest/boot_kernels.h"
#include "convert/guest/initrd_supplement.h"
#include "convert/guest/mount_to_write.h"
#include "convert/guest/plan_edits.h"
#include "convert/guest/rebuild_initrds.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

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

/// What is written to. A tool of the guest's own writes wherever it likes.
std::vector<std::string> paths_of(const ConversionPlan& plan, const GuestFacts& facts) {
  std::vector<std::string> paths;
  for (const PlanStep& step : plan.steps) paths.push_back(step.path);
  for (const InitrdNeed& need : plan.initrds) paths.push_back(need.path);
  if (!rebuilds(plan)) return paths;
  for (const inspect::GuestMount& mount : facts.mount_plan) {
    paths.push_back(mount.mountpoint == "/" ? "/." : mount.mountpoint + "/.");
  }
  return paths;
}

SupplementRequest request_of(const InitrdNeed& need, const GuestFacts& facts) {
  SupplementRequest request;
  request.kernel = need.kernel;
  request.modules_dir = need.modules_dir;
  request.image = need.path;
  request.drivers = need.drivers;
  for (const inspect::KernelFacts& kernel : facts.kernels) {
    if (kernel.version == need.kernel) request.codecs = kernel.initrd_codecs;
  }
  for (const ImageFile& file : need.files) request.files.push_back({file.name, file.after});
  return request;
}

/// One image: what it needs, and what it gets.
struct Image {
  const InitrdNeed* need;
  Supplement supplement;
};

/// All are made before the first is written: where one cannot be made nothing may have changed.
std::vector<Image> make_images(Guest& guest, const GuestFacts& facts, const ConversionPlan& plan,
                               const std::string& work_folder) {
  std::vector<Image> images;
  for (const InitrdNeed& need : plan.initrds) {
    images.push_back({&need, make_supplement(guest, request_of(need, facts), work_folder)});
  }
  return images;
}

bool starts_by_default(const GuestFacts& facts, const InitrdNeed& need) {
  const inspect::KernelFacts* kernel = default_kernel(facts);
  return kernel && kernel->initrd && kernel->initrd->real_path == need.path;
}

/// Why the guest would not start; empty: it will. A kernel that is not the default one may stay as
/// it is.
std::string why_it_would_not_start(const GuestFacts& facts, const std::vector<Image>& images) {
  for (const Image& image : images) {
    const Supplement& supplement = image.supplement;
    if (!starts_by_default(facts, *image.need)) continue;
    if (!supplement.refusal.empty()) {
      return clean_text(image.need->path) + " cannot be added to: " + supplement.refusal;
    }
  }
  return "";
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

void write_images(Guest& guest, const std::vector<Image>& images, ConversionResult& result) {
  for (const Image& image : images) {
    std::string& outcome = result.outcomes[image.need->path];
    if (!image.supplement.refusal.empty()) {
      outcome = "left as it is: " + image.supplement.refusal;
      continue;
    }
    write_supplement(guest, image.supplement);
    verify_supplement(guest, image.supplement);
    outcome = kDone;
  }
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
  if (done.result.reason.empty()) write_images(guest, images, done.result);
}

/// The guest's own tool reads the files as planned. What its images then lack is added to them.
void make_initrds_anew(Guest& guest, const GuestFacts& facts, const ConversionRequest& request,
                       Conversion& done) {
  std::string& failure = done.result.reason;
  request.on_stage("writing");
  failure = apply_steps(guest, done.plan, done.result);
  if (!failure.empty()) return;
  request.on_stage("rebuilding initrds");
  failure = rebuild_initrds(guest, done.plan);
  if (!failure.empty()) return;
  request.on_stage("making initrds");
  const auto images = make_images(guest, facts, done.plan, request.work_folder);
  failure = why_it_would_not_start(facts, images);
  if (failure.empty()) write_images(guest, images, done.result);
}

}  // namespace

Conversion convert_guest(Guest& guest, const ConversionRequest& request) {
  request.on_stage("inspecting");
  const GuestInspection found = inspect::inspect_guest(guest, request.inspect);
  Conversion done;
  done.plan = plan_conversion(found, request.spec, request.options);
  if (request.expect_shut_down && !found.disks.in_use.empty()) {
    return ended(std::move(done.plan), "not-shut-down", found.disks.in_use.front());
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
