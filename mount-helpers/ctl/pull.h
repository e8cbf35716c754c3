// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace v2vfs::ctl {

struct PullOptions {
  std::string vm, destination;
  std::string uri;  // empty: libvirt's default
  bool quiet = false;
};

/// Copies the disks of a VM that runs from a mount to DEST/VM/ while it goes on running, and lets
/// it run on the copies from then on: now and, by its definition, at its next start. Afterwards it
/// does not need the mount. The exit code.
int pull_vm(const PullOptions& options);

}  // namespace v2vfs::ctl
