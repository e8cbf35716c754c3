// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mount-helpers/ctl/terminal.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {

struct StatusOptions {
  std::vector<std::string> words;  // mounts and VMs; none: all mounts
  bool watch = false;
  bool json = false;
};

/// Prints on stdout; the exit code.
int show_status(const StatusOptions& options);

/// One mount as a table, and below it what is wrong and what to do. Pure but for names of
/// processes.
std::string status_text(const std::string& mountpoint, const MountStatus& status,
                        const Terminal& terminal);

/// What goes on in a VM now: "converting", "checking 52 %"; "-": nothing.
std::string activity_text(const VmStatus& vm);

}  // namespace v2vfs::ctl
