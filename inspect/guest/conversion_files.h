// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Reads what the other facts did not need but a conversion does: into the reader's config the
/// files that name devices, consoles, modules and repositories; into facts.found what counts by
/// being there (caches, start links, units, loaders on the ESP, folders for drop-ins). Of a Linux
/// guest, mounted. At most kNics files of a folder.
void find_conversion_files(GuestReader& reader, GuestFacts& facts);

}  // namespace v2vfs::inspect
