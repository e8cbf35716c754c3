// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace v2vfs::fs {

/// Lets callers that arrive together share one round of slow work: a caller is served by a round
/// that started after it arrived, never by one that was under way. Thread safe.
class GroupCommit {
 public:
  /// Returns once such a round has succeeded. One thread at a time runs `work`; what it throws
  /// reaches the caller that ran it, and those who waited for it try themselves.
  template <typename Work>
  void run(Work&& work) {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = started_ + 1;
    while (succeeded_ < mine) {
      if (running_) {
        changed_.wait(lock);
        continue;
      }
      Round round(*this, lock);
      work();
      round.succeeded = true;
    }
  }

 private:
  // A round: the lock is open while it runs, and it ends however `work` ends.
  struct Round {
    Round(GroupCommit& group, std::unique_lock<std::mutex>& held) : g(group), lock(held) {
      g.running_ = true;
      number = ++g.started_;
      lock.unlock();
    }
    ~Round() {
      lock.lock();
      g.running_ = false;
      if (succeeded) g.succeeded_ = number;
      g.changed_.notify_all();
    }
    GroupCommit& g;
    std::unique_lock<std::mutex>& lock;
    std::uint64_t number = 0;
    bool succeeded = false;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  bool running_ = false;
  std::uint64_t started_ = 0;
  std::uint64_t succeeded_ = 0;
};

}  // namespace v2vfs::fs
