// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"
#include "inspect/guest/inspect_guest.h"

namespace v2vfs::inspect {

/// Opens every LUKS container that one of the keys fits, also those that come to light by it (at
/// most kUnlockRounds deep), and says of each what became of it. A key whose device names the
/// container is tried first, then those for "all". Throws only what ends the reader, and
/// MemoryNeeded before a LUKS2 container is tried in a reader that has less (`memory_mib`; 0: all
/// that it takes).
std::vector<LuksFacts> unlock_containers(Guest& guest, const std::vector<LuksKey>& keys,
                                         std::uint32_t memory_mib);

}  // namespace v2vfs::inspect
