// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"
#include "inspect/guest/inspect_guest.h"

namespace v2vfs::inspect {

/// Opens every LUKS container that one of the keys fits, also those that come to light by it (at
/// most kUnlockRounds deep), and says of each what became of it. A key whose device names the
/// container is tried first, then those for "all". Throws only what ends the reader.
std::vector<LuksFacts> unlock_containers(Guest& guest, const std::vector<LuksKey>& keys);

}  // namespace v2vfs::inspect
