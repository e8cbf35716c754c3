// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "mount-helpers/ctl/conversion_plan.h"
#include "mount-helpers/ctl/terminal.h"

namespace v2vfs::ctl {

/// Opens conversion.json of each VM, which may take a while, and prints what converting changes, or
/// has changed. The exit code.
int show_diffs(const std::vector<std::string>& words, bool quiet);

/// Pure. What is no diff stands in lines that begin with "# ", so patch(1) reads the whole.
std::string diff_text(const std::string& vm, const ConversionPlan& plan, const Terminal& terminal);

}  // namespace v2vfs::ctl
