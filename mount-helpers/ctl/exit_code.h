// SPDX-License-Identifier: MIT
#pragma once

#include <exception>

namespace v2vfs::ctl {

/// Exit codes are part of the contract (v2vfsctl(1)) and never reused. 1 to 5 mean what they mean
/// for v2vfs.
enum ExitCode {
  exit_ok = 0,
  exit_usage = 1,
  exit_not_there = 2,  // no such mount, VM or domain, or it does not answer
  exit_failed = 3,     // it was tried and did not work
  exit_busy = 4,       // somebody uses it
  exit_internal = 5,
  exit_unsupported = 6,  // it cannot be done with this guest or on this host
  exit_interrupted = 130,
};

/// By the errno of an Error; whatever else was thrown is exit_internal.
ExitCode exit_code_of(const std::exception& failure);

}  // namespace v2vfs::ctl
