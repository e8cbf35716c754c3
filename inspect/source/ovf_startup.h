// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/model.h"
#include "inspect/source/ovf_document.h"

namespace v2vfs::inspect::ovf {

/// The StartupSections (DSP0243 9.6) of all collections as one list of machines, in the order of
/// their start. An order of 0 means "at any time" and stays. Where collections are nested, a
/// machine's order is its rank among all.
std::vector<StartupItem> read_startup(Node envelope);

}  // namespace v2vfs::inspect::ovf
