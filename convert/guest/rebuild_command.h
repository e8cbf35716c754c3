// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/guest/guest_facts.h"

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

}  // namespace v2vfs::convert
