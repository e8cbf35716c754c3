// SPDX-License-Identifier: MIT
#pragma once

#include "convert/guest/conversion_plan.h"
#include "fs/vm_work.h"
#include "inspect/model.h"

namespace v2vfs::fs {

/// As ChangeGuest of Work::converter: brings all edits into the chosen guest, then converts it as
/// it is with them. What the user edited is not touched. WorkResult::conversion is conversion.json,
/// also of what came to nothing.
WorkResult convert_with_edits(inspect::Guest& guest, const WorkInput& input,
                              const inspect::MachineSpec& spec, convert::ConversionOptions options);

}  // namespace v2vfs::fs
