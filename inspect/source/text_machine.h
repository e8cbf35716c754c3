// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "inspect/source/access_point_cache.h"
#include "inspect/source/descriptor_search.h"
#include "inspect/source/local_files.h"
#include "inspect/source/media_check.h"
#include "inspect/source/source.h"

namespace v2vfs::inspect {

/// True for the kinds that read_text_machine() reads: VMX, Xen, libvirt, and a disk by itself.
bool is_single_machine(ContentKind kind);

/// Reads the description of one machine and looks for its files. Throws Error where it cannot be
/// read.
FoundMachine read_text_machine(const Descriptor& descriptor,
                               const std::shared_ptr<const SourceRoots>& roots,
                               const std::shared_ptr<AccessPointCache>& places, NameLists& names);

}  // namespace v2vfs::inspect
