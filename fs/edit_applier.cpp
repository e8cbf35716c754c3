// SPDX-License-Identifier: MIT
#include "fs/edit_applier.h"

#include <algorithm>
#include <cerrno>

#include "convert/guest/apply_edits.h"
#include "convert/guest/mount_to_write.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"
#include "inspect/guest/filesystems_in_use.h"
#include "inspect/guest/inspect_guest.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kMostNamed = 3;

/// Why the guest is left alone; empty: it is not. A hibernated one would go on with what it
/// remembers of its files, wherever it comes from.
std::string why_not_clean(const inspect::GuestInspection& found, const WorkInput& input) {
  if (std::string why = inspect::why_not_shut_down(found); input.may_have_run && !why.empty()) {
    return why;
  }
  for (const inspect::BlockDevice& device : found.disks.storage.devices) {
    if (device.type == "swsuspend" && !input.forced) {
      return clean_text(device.name) + " holds the memory of a guest that was suspended";
    }
  }
  return "";
}

std::vector<std::string> paths_of(const std::vector<convert::GuestEdit>& edits) {
  std::vector<std::string> paths;
  for (const convert::GuestEdit& edit : edits) paths.push_back(edit.path);
  return paths;
}

std::string failures_of(const std::vector<convert::EditOutcome>& outcomes) {
  std::string text;
  std::size_t failed = 0;
  for (const convert::EditOutcome& outcome : outcomes) {
    if (!outcome.failure || ++failed > kMostNamed) continue;
    text += (text.empty() ? "" : "; ") + outcome.failure->sentence();
  }
  if (failed > kMostNamed) text += fmt::format("; and {} more", failed - kMostNamed);
  return text;
}

void note_replaced(const std::vector<convert::EditOutcome>& outcomes) {
  for (const convert::EditOutcome& outcome : outcomes) {
    if (!outcome.replaced_another) continue;
    log::warning("{} of the guest was changed otherwise since it was edited here: the edit won",
                 clean_text(outcome.path));
  }
}

}  // namespace

WorkResult apply_user_edits(inspect::Guest& guest, const WorkInput& input) {
  inspect::InspectOptions options = input.options;
  options.open_initrds = options.list_applications = false;
  const inspect::GuestInspection found = inspect::inspect_guest(guest, options);
  WorkResult result{WorkOutcome::promoted, "", input.last.outcome, input.last.capabilities};
  if (result.why = why_not_clean(found, input); !result.why.empty()) {
    result.outcome = WorkOutcome::not_clean;
    return result;
  }
  const inspect::GuestFacts* chosen = found.chosen_guest();
  if (!chosen) throw Error(EIO, "no operating system was found on its disks");
  convert::mount_to_write(guest, *chosen, paths_of(input.edits));
  const auto outcomes = convert::apply_edits(guest, input.edits);
  note_replaced(outcomes);
  if (result.why = failures_of(outcomes); !result.why.empty()) {
    result.outcome = WorkOutcome::failed;
  }
  return result;
}

}  // namespace v2vfs::fs
