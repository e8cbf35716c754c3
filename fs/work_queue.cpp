// SPDX-License-Identifier: MIT
#include "fs/work_queue.h"

#include <utility>

namespace v2vfs::fs {

WorkQueue::~WorkQueue() {
  stop();
  for (std::thread& thread : threads_) thread.join();
}

void WorkQueue::add(Job job) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_.size() < most_at_once_) {
    threads_.emplace_back([this] { run(); });
  }
  signal_.notify_one();
}

void WorkQueue::stop() {
  std::deque<Job> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  dropped.swap(jobs_);
  signal_.notify_all();
}

void WorkQueue::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    signal_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    --idle_;
    if (stopped_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace v2vfs::fs
