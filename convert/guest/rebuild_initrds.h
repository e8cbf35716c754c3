// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>

#include "convert/guest/conversion_plan.h"

/// Initrds that the guest's own tools make anew, for who asked for that (initramfs=rebuild).
namespace v2vfs::convert {

struct Rebuilt {
  std::string failure;  // of the default kernel's; empty: all others are in the remarks
  /// By InitrdNeed::path, of each that a tool was run for; empty: it made the image anew.
  std::map<std::string, std::string> remarks;
};

/// Runs what the plan's initrds are to be rebuilt with, over files that are as planned and may be
/// written. An image keeps its SELinux label. What the images then hold is not known. Throws what
/// the guest throws when it is gone.
Rebuilt rebuild_initrds(inspect::Guest& guest, const inspect::GuestFacts& facts,
                        const ConversionPlan& plan);

}  // namespace v2vfs::convert
