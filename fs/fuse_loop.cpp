// SPDX-License-Identifier: MIT
#include "fs/fuse_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>

#include "fs/fuse_ops.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

using namespace std::chrono_literals;

/// About what two wake-ups across CPUs cost in a virtual machine; QEMU polls for 32 us.
constexpr auto kLongestPoll = 100us;
/// How long a request may wait behind a busy leader, at most twice.
constexpr auto kStandbyTick = 500us;
/// The standby ticks for so long after the last request, then it sleeps until it is needed.
constexpr unsigned kQuietTicks = 100;

/// On a single CPU whoever polls keeps the program from running that it waits for.
bool has_several_cpus() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

/// libfuse allocates its memory at the first receive.
struct RequestBuffer : fuse_buf {
  RequestBuffer() : fuse_buf{} {}
  RequestBuffer(const RequestBuffer&) = delete;
  ~RequestBuffer() { std::free(mem); }
};

bool has_request(int fd, int timeout_ms) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) > 0;
}

}  // namespace

FuseLoop::FuseLoop(fuse_session* session, unsigned most_threads)
    : session_(session), most_threads_(most_threads), may_poll_(has_several_cpus()) {}

int FuseLoop::run() {
  const int fd = fuse_session_fd(session_);
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) return -errno;
  work();
  for (std::thread& thread : threads_) thread.join();  // nobody adds one after the end
  return result_;
}

void FuseLoop::work() {
  RequestBuffer buffer;
  while (become_leader()) {
    const int got = receive(buffer);
    if (got <= 0) return end(got);
    resign();
    fuse_session_process_buf(session_, &buffer);
  }
}

/// True when this thread leads; false when the session has ended.
bool FuseLoop::become_leader() {
  Lock lock(mutex_);
  if (led_) {
    ++idle_;
    wait_for_turn(lock);
    --idle_;
  }
  if (ended_) return false;
  led_ = true;
  called_ = false;
  return true;
}

/// Returns when this thread was called, or is the standby and the leader was with one and the same
/// request for a whole tick, or the session has ended.
void FuseLoop::wait_for_turn(Lock& lock) {
  std::uint64_t seen = requests_;
  unsigned quiet = 0;
  while (!ended_ && (led_ || !called_)) {
    if (standby_ || quiet == kQuietTicks) {
      idle_signal_.wait(lock);
      quiet = 0;
    } else {
      standby_ = true;
      idle_signal_.wait_for(lock, kStandbyTick);
      standby_ = false;
      if (!led_ && requests_ == seen) return;
      quiet = requests_ == seen ? quiet + 1 : 0;
    }
    seen = requests_;
  }
}

/// One request, or what fuse_session_receive_buf(3) gives at the end.
int FuseLoop::receive(fuse_buf& buffer) {
  const bool awaited = may_poll_ && awaits_next_piece();
  const bool polls = awaited && poll_pays_;
  const auto began = std::chrono::steady_clock::now();
  const auto waited = [&] { return std::chrono::steady_clock::now() - began; };
  for (;;) {
    const int got = fuse_session_receive_buf(session_, &buffer);
    if (got != -EAGAIN && got != -EINTR) {
      if (awaited) poll_pays_ = waited() < kLongestPoll;
      return got;
    }
    if (!polls || waited() > kLongestPoll) has_request(fuse_session_fd(session_), -1);
  }
}

/// Others may lead while this thread answers its request.
void FuseLoop::resign() {
  const bool more = has_request(fuse_session_fd(session_), 0);
  const Lock lock(mutex_);
  led_ = false;
  ++requests_;
  if (ended_) return;
  if (idle_ == 0) return add_thread();
  called_ = more;
  if (more || !standby_) idle_signal_.notify_one();
}

/// A computer that gives no more threads serves with those that there are.
void FuseLoop::add_thread() {
  if (threads_.size() + 1 >= most_threads_) return;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::exception& e) {
    log::warning("no further thread for requests: {}", e.what());
  }
}

void FuseLoop::end(int result) {
  const Lock lock(mutex_);
  ended_ = true;
  result_ = result;
  idle_signal_.notify_all();
}

}  // namespace v2vfs::fs
