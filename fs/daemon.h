// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "fs/options.h"

namespace v2vfs::fs {

/// Mounts and serves until the mount is gone. `ready` is called once, when the mount answers and
/// all VMs are listed. Returns the exit code. Throws StartError for what prevents the start. Call
/// with no other thread running: it starts its own.
ExitCode run_mount(Options options, const std::function<void()>& ready);

/// The same in the background: returns in the caller's process when the mount answers, with what is
/// to be its exit code; a failure to start is one sentence on stderr. In the daemon's own process
/// it does not return.
ExitCode run_mount_in_background(const Options& options);

}  // namespace v2vfs::fs
