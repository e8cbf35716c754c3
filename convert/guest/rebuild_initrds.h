// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/guest/conversion_plan.h"

/// Initrds that the guest's own tools make anew, for who asked for that (initramfs=rebuild).
namespace v2vfs::convert {

/// The program and its arguments that make a kernel's image anew, in its place. Empty, and
/// `why_not` is a sentence: the image is added to as it is.
struct RebuildCommand {
  std::vector<std::string> words;
  std::string why_not;
};

/// Pure. Not where kernels share an image, where the tool is not in the guest or is none for this
/// machine, and where a LUKS container was opened: it stands in the appliance under another name
/// than in crypttab, by which tools look for it.
RebuildCommand rebuild_command(const inspect::GuestInspection& inspection,
                               const inspect::GuestFacts& guest,
                               const inspect::KernelFacts& kernel);

struct Rebuilt {
  std::string failure;  // of the default kernel's; empty: all others' are in the outcomes
  std::map<std::string, std::string> outcomes;  // by InitrdNeed::path; "done", or a sentence
};

/// Runs what the plan's initrds are to be rebuilt with, over files that are as planned and may be
/// written. An image keeps its SELinux label. What the images then hold is not known. Throws what
/// the guest throws when it is gone.
Rebuilt rebuild_initrds(inspect::Guest& guest, const inspect::GuestFacts& facts,
                        const ConversionPlan& plan);

}  // namespace v2vfs::convert
