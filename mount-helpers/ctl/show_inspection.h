// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "mount-helpers/ctl/inspection_summary.h"
#include "mount-helpers/ctl/terminal.h"

namespace v2vfs::ctl {

/// Opens inspection.json of each VM, which may take a while, and prints it: one VM at length,
/// several as a table. The exit code.
int show_inspections(const std::vector<std::string>& words, bool quiet);

/// Pure.
std::string inspection_text(const std::string& vm, const InspectionSummary& summary,
                            const Terminal& terminal);

struct InspectedVm {
  std::string vm;
  InspectionSummary summary;
};
std::string inspections_table(const std::vector<InspectedVm>& vms, const Terminal& terminal);

}  // namespace v2vfs::ctl
