// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/model.h"
#include "inspect/source/ovf_items.h"

namespace v2vfs::inspect::ovf {

/// The network adapters, in the descriptor's order.
void read_nics(const std::vector<Item>& items, MachineSpec& spec);

}  // namespace v2vfs::inspect::ovf
