// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "convert/guest/conversion_plan.h"
#include "convert/guest/guest_edit.h"

namespace v2vfs::convert {

/// The steps of a plan as edits that apply_edits() brings about, with the folders that new files
/// need. `guest` is mounted: what is there keeps its owner, mode and attributes; what is new is
/// root's and gets the label that the guest's file_contexts has for it. Throws Error where the
/// guest cannot be read. `guest` has to outlive the edits.
std::vector<GuestEdit> edits_of_plan(inspect::Guest& guest, const ConversionPlan& plan);

}  // namespace v2vfs::convert
