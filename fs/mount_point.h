// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::fs {

/// The absolute path of a folder that can be mounted on. A dead mount of ours there ("Transport
/// endpoint is not connected") is taken away first. Throws StartError(exit_mount).
std::string prepare_mountpoint(const std::string& path);

/// Throws StartError(exit_mount) if one of `paths` lies under `mountpoint`: the daemon would wait
/// for itself.
void check_outside(const std::string& mountpoint, const std::vector<std::string>& paths);

}  // namespace v2vfs::fs
