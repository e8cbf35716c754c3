// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace v2vfs::convert {

/// Takes from the calling thread, and from whatever it starts, all but what a program needs that
/// turns files in `folder` into files in `folder`: it reads this host's programs and libraries and
/// /dev/null besides (Landlock, where the kernel has it), has no capabilities, and can neither
/// talk, nor send signals, nor look into other processes, nor change attributes of files (seccomp,
/// on x86-64 and ARM64). For ever: the thread is to end afterwards. Throws Error if the kernel has
/// these means and refuses them.
void restrict_this_thread(const std::string& folder);

}  // namespace v2vfs::convert
