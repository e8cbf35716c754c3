// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "fs/options.h"
#include "fs/vm.h"

namespace v2vfs::fs {

/// Loads all VMs on a few threads, in their order, but first those that somebody waits for. A VM
/// whose source hangs keeps one of them and no other VM waiting.
class Loader {
 public:
  explicit Loader(std::vector<std::shared_ptr<Vm>> vms);
  /// Waits for the threads.
  ~Loader();

  /// Somebody waits for this VM.
  void hurry(const Vm& vm);

  /// Until all are loaded or `limit` is over; longer while `waits_for_another` says that a state's
  /// last owner is on its way out. Throws StartError if a state turned out to be in use by then.
  void wait(std::chrono::milliseconds limit, const std::function<bool()>& waits_for_another);

 private:
  void run();
  void load(Vm& vm);
  Vm* next();

  const std::vector<std::shared_ptr<Vm>> vms_;
  std::mutex mutex_;
  std::condition_variable signal_;
  std::size_t next_ = 0;               // guarded by mutex_
  std::map<const Vm*, Vm*> left_;      // guarded by mutex_; those that no thread has taken
  std::deque<const Vm*> urgent_;       // guarded by mutex_
  std::size_t done_ = 0;               // guarded by mutex_
  std::optional<StartError> refusal_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace v2vfs::fs
