// SPDX-License-Identifier: MIT
#include "fs/guest_converter.h"

#include "convert/guest/capabilities_json.h"
#include "convert/guest/conversion_json.h"
#include "convert/guest/convert_guest.h"
#include "fs/edit_applier.h"

namespace v2vfs::fs {
namespace {

WorkOutcome outcome_of(const std::string& state) {
  if (state == "converted") return WorkOutcome::promoted;
  if (state == "unsupported") return WorkOutcome::unsupported;
  return state == "not-shut-down" ? WorkOutcome::not_clean : WorkOutcome::failed;
}

/// What keeps edits out. A source that was exported suspended has never been shut down, and nobody
/// can do that: it is served as it is, and they wait.
WorkResult outcome_of_edits(WorkResult edited, const WorkInput& input) {
  if (edited.outcome == WorkOutcome::failed) edited.outcome = WorkOutcome::edits_failed;
  if (edited.outcome != WorkOutcome::not_clean || input.may_have_run) return edited;
  convert::ConversionPlan plan;
  plan.reason = edited.why;
  return {WorkOutcome::unsupported, edited.why, convert::conversion_json(plan), ""};
}

}  // namespace

WorkResult convert_with_edits(inspect::Guest& guest, const WorkInput& input,
                              const inspect::MachineSpec& spec,
                              convert::ConversionOptions options) {
  if (!input.edits.empty()) {
    input.on_stage("applying edits");
    WorkResult edited = apply_user_edits(guest, input);
    if (edited.outcome != WorkOutcome::promoted) return outcome_of_edits(std::move(edited), input);
    guest.unmount_all();
    for (const convert::GuestEdit& edit : input.edits) options.edited_paths.insert(edit.path);
  }
  const convert::Conversion done = convert::convert_guest(
      guest, {spec, std::move(options), input.options, input.may_have_run && !input.forced,
              input.work_folder, input.on_stage});
  return {outcome_of(done.result.state), done.result.reason,
          convert::conversion_json(done.plan, &done.result),
          convert::capabilities_to_json(done.plan.capabilities)};
}

}  // namespace v2vfs::fs
