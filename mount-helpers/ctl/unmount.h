// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::ctl {

struct UnmountOptions {
  std::vector<std::string> words;
  bool force = false;
  bool quiet = false;
};

/// Unmounts; where somebody uses the mount it says who. The exit code.
int unmount(const UnmountOptions& options);

}  // namespace v2vfs::ctl
