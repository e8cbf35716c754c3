// SPDX-License-Identifier: MIT
#pragma once

#include "fs/vm_work.h"

namespace v2vfs::fs {

/// As ChangeGuest of Work::applier: brings all edits into the chosen guest, or none. Only the
/// filesystems that an edit touches are mounted writable.
WorkResult apply_user_edits(inspect::Guest& guest, const WorkInput& input);

}  // namespace v2vfs::fs
