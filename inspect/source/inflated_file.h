// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "inspect/source/access_point_cache.h"
#include "inspect/source/deflated_stream.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What a compressed file holds, as a file; nothing is unpacked. Cheap to make: the first call that
/// needs to know more than its head reads all of `stream` once, and is then sure that it is whole.
/// Afterwards a read costs the inflating of a few MiB at most, reading on costs nothing extra.
SourceFile inflated_file(DeflatedStream stream, std::string name,
                         std::shared_ptr<AccessPointCache> cache);

}  // namespace v2vfs::inspect
