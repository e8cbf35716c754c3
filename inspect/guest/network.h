// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Sets facts.network and facts.nic_names from every network tool's files of the mounted Linux
/// guest.
void find_network(GuestReader& reader, GuestFacts& facts);

}  // namespace v2vfs::inspect
