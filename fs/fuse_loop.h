// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

struct fuse_session;
struct fuse_buf;

namespace v2vfs::fs {

/// Serves a FUSE session with threads of its own: one, the leader, waits for requests; the others
/// are there for when it is busy.
///
/// Why not libfuse's loop: there every idle thread sleeps in read(2), so each request of a program
/// that reads on and on wakes another cold thread, mostly on another CPU, and that costs more than
/// the request itself. Here the leader answers the request and takes the lead again; in a copy,
/// whose next piece it has read ahead, it looks for the next request without sleeping for as long
/// as that paid the last time (kLongestPoll at most).
///
/// Nobody waits behind a slow request: if more requests are there, the next thread is called at
/// once; if one comes while the leader is busy, the standby sees it within two kStandbyTicks.
class FuseLoop {
 public:
  FuseLoop(fuse_session* session, unsigned most_threads);
  FuseLoop(const FuseLoop&) = delete;

  /// Returns when the kernel has ended the session and every request was answered: 0, or the
  /// negative errno with which the connection failed.
  int run();

 private:
  using Lock = std::unique_lock<std::mutex>;

  void work();
  bool become_leader();
  void wait_for_turn(Lock& lock);
  int receive(fuse_buf& buffer);
  void resign();
  void add_thread();
  void end(int result);

  fuse_session* const session_;
  const unsigned most_threads_;
  const bool may_poll_;
  bool poll_pays_ = false;  // the leader's own

  std::mutex mutex_;
  std::condition_variable idle_signal_;
  std::vector<std::thread> threads_;  // guarded by mutex_, as all below
  unsigned idle_ = 0;                 // threads that wait for their turn
  bool led_ = false;                  // somebody waits for requests
  bool called_ = false;               // an idle thread is to lead now
  bool standby_ = false;              // an idle thread ticks
  bool ended_ = false;
  int result_ = 0;
  std::uint64_t requests_ = 0;  // taken so far
};

}  // namespace v2vfs::fs
