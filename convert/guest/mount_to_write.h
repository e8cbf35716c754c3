// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/guest/guest_facts.h"

namespace v2vfs::convert {

/// Mounts the guest's tree; writable is only what one of `paths` (absolute, resolved) lies on.
/// Throws Error(EIO) for a path below a mountpoint whose device is not there: what is written there
/// would lie under it.
void mount_to_write(inspect::Guest& guest, const inspect::GuestFacts& facts,
                    const std::vector<std::string>& paths);

}  // namespace v2vfs::convert
