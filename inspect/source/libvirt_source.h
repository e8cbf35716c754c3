// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inspect/source/access_point_cache.h"
#include "inspect/source/local_files.h"
#include "inspect/source/media_check.h"
#include "inspect/source/reading.h"

namespace v2vfs::inspect {

/// Each domain at `uri` ("libvirt+qemu:///system") as a machine. Its disks are used if they lie
/// below `roots` or in a storage pool of that libvirt. One that runs is not usable. Throws
/// Error(EIO) where libvirt does not answer.
std::vector<Reading> read_libvirt_source(const std::string& uri,
                                         const std::shared_ptr<const SourceRoots>& roots,
                                         const std::shared_ptr<AccessPointCache>& places,
                                         NameLists& names);

}  // namespace v2vfs::inspect
