// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include "convert/disk/disk_layer.h"
#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// ESX allows 32 snapshots one upon the other, Workstation a hundred.
inline constexpr std::size_t kMostLayers = 128;

/// Opens the disk that `spec` describes, whatever its format (tell_format), and its parents, the
/// topmost first. A VMDK's parent is looked for where its child says (a relative name is relative
/// to the child), in a folder of that name beside the child's folder, and beside the child; it is
/// the parent if its content id is the one that the child was made upon. Where `spec` names the
/// parents (an OVF), those are taken, and a child that knows of no parent is one all the same: its
/// absent grains are its parent's. All of it is within `files`.
///
/// Throws Error: what opening an image throws; for a parent ENOENT (not there), EIO (another
/// content id or size, a loop, more than kMostLayers).
std::vector<Layer> open_layers(const inspect::SourceFiles& files, const inspect::DiskSpec& spec);

}  // namespace v2vfs::convert
