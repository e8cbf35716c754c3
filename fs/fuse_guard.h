// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <exception>
#include <functional>
#include <memory>
#include <new>

#include "fs/event.h"
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
  } catch (const NotYet&) {  // the kernel holds locks meanwhile: this one does not wait
    error_number = EAGAIN;
    log_failure(operation, ino, pid, error_number, "what this needs is not there yet");
  }
  fuse_reply_err(req, error_number);
}

/// Keeps the request, without a thread, until `event` has ended; then `run_again` answers it. An
/// interrupt, or the failure of the event, is its answer before that.
void park(fuse_req_t req, const char* operation, fuse_ino_t ino,
          const std::shared_ptr<Event>& event, std::function<void()> run_again);

/// guard() for OPEN and READ, and for all that guest/ may be asked: where `call` throws NotYet it
/// is made again, from another thread, when the time has come. So it owns what it needs.
template <typename Call>
void guard_waiting(fuse_req_t req, const char* operation, fuse_ino_t ino, Call call) noexcept {
  guard(req, operation, ino, [&] {
    try {
      call();
    } catch (const NotYet& not_yet) {
      park(req, operation, ino, not_yet.event, [=] { guard_waiting(req, operation, ino, call); });
    }
  });
}

}  // namespace v2vfs::fs
