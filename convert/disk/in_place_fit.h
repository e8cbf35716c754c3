// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "convert/disk/disk_source.h"

namespace v2vfs::convert {

/// The cluster with which the grains of all extents can be clusters as they lie (InPlaceMap);
/// nullopt, and `why_not` a sentence, where there is none.
std::optional<std::uint64_t> in_place_cluster(const DiskSource& source, std::string& why_not);

}  // namespace v2vfs::convert
