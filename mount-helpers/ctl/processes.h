// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

/// Who other processes are.
namespace v2vfs::ctl {

/// "qemu-system-x86 (1234)"; where /proc hides it, "process 1234".
std::string process_text(pid_t pid);
std::string processes_text(const std::vector<pid_t>& pids);

/// Processes that have a file, their working folder, their root or a mapping in the file system of
/// `mountpoint`, this one left out. Found by names in /proc, so a mount that hangs holds up nobody.
std::vector<pid_t> processes_in(const std::string& mountpoint);

}  // namespace v2vfs::ctl
