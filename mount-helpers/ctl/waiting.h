// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <thread>

#include "mount-helpers/ctl/mounts.h"
#include "mount-helpers/ctl/progress.h"

namespace v2vfs::ctl {

/// While this lives, what a VM does is shown: its caller waits in open(2), read(2) or write(2) of
/// one of its files. In a thread that takes no signals, so that Ctrl-C ends the caller's wait.
class Waiting {
 public:
  /// `what` until the VM itself says what goes on.
  Waiting(Place vm, std::string what, bool quiet);

 private:
  void run(const std::stop_token& stop);

  const Place vm_;
  const std::string what_;
  ProgressLine line_;
  std::jthread thread_;  // the last: it uses the others
};

/// Ctrl-C ends a system call that waits (EINTR) and is remembered, instead of ending the program.
void catch_interrupts();
bool interrupted();

}  // namespace v2vfs::ctl
