// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::convert {

struct CommandResult {
  int status = 0;      // exit code; -1: a signal ended it, or the time was up
  std::string output;  // stdout
  std::string errors;  // stderr, cut
};

/// Runs a program of this host on a hostile guest's files and waits for it, at most 60 s. It is
/// started without a shell, with an empty environment and no descriptor of ours; it has limits on
/// memory, CPU time and file size; where the kernel has Landlock it reads only this host's programs
/// and libraries and writes only below `folder`; it has no capabilities, and no sockets, signals or
/// changes of attributes (seccomp). Throws Error(ENOPKG) if there is no such program in the usual
/// folders.
CommandResult run_sandboxed(const std::string& program, const std::vector<std::string>& arguments,
                            const std::string& folder);

}  // namespace v2vfs::convert
