// SPDX-License-Identifier: MIT
#include "fs/event.h"

#include <utility>

namespace v2vfs::fs {

void Event::when_ended(Wake wake) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) return wakes_.push_back(std::move(wake));
  }
  wake(failure_);  // no longer changes
}

void Event::end(std::optional<Error> failure) {
  std::vector<Wake> wakes;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    failure_ = std::move(failure);
    wakes.swap(wakes_);
  }
  for (const Wake& wake : wakes) wake(failure_);
}

bool Event::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

std::optional<Error> Event::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace v2vfs::fs
