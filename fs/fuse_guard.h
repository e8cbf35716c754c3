// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <exception>
#include <new>

#include "fs/fuse_ops.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {

/// Logs a failed request: what the user must act on at once as a warning (the same sentence at most
/// every ten seconds), the rest for -d only.
void log_failure(const char* operation, fuse_ino_t ino, pid_t pid, int error_number,
                 const std::string& sentence) noexcept;

/// Runs one callback's call. Every exception becomes the errno of the reply; nothing escapes into
/// libfuse. `call` replies itself, as the last thing it does.
template <typename Call>
void guard(fuse_req_t req, const char* operation, fuse_ino_t ino, Call call) noexcept {
  const pid_t pid = fuse_req_ctx(req)->pid;
  int error_number = EIO;
  try {
    return call();
  } catch (const Error& e) {
    error_number = e.error_number();
    log_failure(operation, ino, pid, error_number, e.sentence());
  } catch (const std::bad_alloc&) {
    error_number = ENOMEM;
    log_failure(operation, ino, pid, error_number, "there is not enough memory");
  } catch (const std::exception& e) {
    log_failure(operation, ino, pid, error_number, e.what());
  }
  fuse_reply_err(req, error_number);
}

}  // namespace v2vfs::fs
