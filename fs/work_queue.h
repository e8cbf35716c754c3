// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace v2vfs::fs {

/// Slow work of all VMs: at most so many at once, in the order in which it came. Threads start when
/// they are needed. Thread safe.
class WorkQueue {
 public:
  using Job = std::function<void()>;

  explicit WorkQueue(std::size_t most_at_once) : most_at_once_(most_at_once) {}
  /// Stops, and waits for the job that each thread has.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;

  /// `job` throws nothing. After stop() it is dropped.
  void add(Job job);
  /// Drops what waits. What runs ends by itself: tell it before.
  void stop();

 private:
  void run();

  const std::size_t most_at_once_;
  std::mutex mutex_;
  std::condition_variable signal_;
  std::deque<Job> jobs_;              // guarded by mutex_
  std::size_t idle_ = 0;              // guarded by mutex_
  bool stopped_ = false;              // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
