// SPDX-License-Identifier: MIT
#include "convert/guest/conversion_plan.h"
#include "convert/guest/plan_draft.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::GuestFacts;
using inspect::Severity;

ConversionPlan unsupported(std::string reason) {
  ConversionPlan plan;
  plan.reason = std::move(reason);
  return plan;
}

/// Why there is nothing to plan; empty: there is.
std::string why_not(const GuestFacts* guest) {
  if (!guest) return "no operating system was found on the disks";
  if (guest->windows || guest->os.type == "windows") {
    return "Windows is served unchanged, on hardware like the source's";
  }
  if (guest->os.type != "linux") return "only Linux guests are converted";
  for (const inspect::ResumeFacts& resume : guest->resume) {
    if (resume.hibernated) {
      return clean_text(resume.device) + " holds the memory of a guest that was suspended to disk";
    }
  }
  return "";
}

/// Where the policy has no list of labels the guest has to find them itself.
void plan_labels(PlanDraft& draft) {
  const inspect::SelinuxFacts& selinux = draft.guest().selinux;
  const bool on = selinux.installed && selinux.mode != "disabled";
  if (!on || !selinux.file_contexts.empty() || selinux.relabel_pending) return;
  draft.create("/.autorelabel", "",
               "SELinux's list of labels was not found: the guest sets them at boot");
}

void say_untouched(PlanDraft& draft) {
  if (draft.family() != Family::other) return;
  draft.note(
      "this distribution is known only by its files: names of disks and network cards and "
      "initrds are seen to, the rest is left as it is");
}

/// The family's own files are left alone where the family is not known.
void plan_known_system(PlanDraft& draft) {
  if (draft.family() == Family::other) return;
  plan_tools(draft);
  plan_console(draft);
  plan_modules(draft);
  plan_firstboot(draft);
}

}  // namespace

ConversionPlan plan_conversion(const inspect::GuestInspection& inspection,
                               const inspect::MachineSpec& spec, const ConversionOptions& options) {
  const GuestFacts* const guest = inspection.chosen_guest();
  if (std::string reason = why_not(guest); !reason.empty()) return unsupported(std::move(reason));
  PlanDraft draft(inspection, *guest, spec, options);
  plan_drivers(draft);
  if (draft.plan().state == PlanState::unsupported) return draft.take();
  plan_storage(draft);
  plan_network(draft);
  plan_known_system(draft);
  plan_firmware(draft);
  plan_labels(draft);
  say_untouched(draft);
  return draft.take();
}

}  // namespace v2vfs::convert
