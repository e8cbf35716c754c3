// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace v2vfs::convert {

/// The `limit` values used last, each under a number. Thread safe. Concurrent calls for one key
/// load it once; loads of different keys run side by side. A load that throws leaves nothing
/// behind: its own caller gets the exception, whoever waited for it tries again.
template <typename Value>
class LoadingCache {
 public:
  using Pointer = std::shared_ptr<const Value>;

  explicit LoadingCache(std::size_t limit) : limit_(limit) {}

  /// `load()` gives a Pointer, which may be null.
  template <typename Load>
  Pointer get(std::uint64_t key, Load&& load) {
    std::unique_lock lock(mutex_);
    for (auto found = slots_.find(key); found != slots_.end(); found = slots_.find(key)) {
      const std::shared_ptr<Slot> slot = *found->second;
      order_.splice(order_.begin(), order_, found->second);
      changed_.wait(lock, [&] { return slot->state != State::loading; });
      if (slot->state == State::loaded) return slot->value;
    }
    const std::shared_ptr<Slot> mine = insert(key);
    lock.unlock();
    return fill(mine, std::forward<Load>(load));
  }

 private:
  enum class State { loading, loaded, failed };
  struct Slot {
    std::uint64_t key;
    State state = State::loading;
    Pointer value;
  };
  using Order = std::list<std::shared_ptr<Slot>>;

  std::shared_ptr<Slot> insert(std::uint64_t key) {
    order_.push_front(std::make_shared<Slot>(Slot{key, State::loading, nullptr}));
    slots_[key] = order_.begin();
    while (order_.size() > limit_) erase(order_.back());
    return order_.front();
  }

  template <typename Load>
  Pointer fill(const std::shared_ptr<Slot>& slot, Load&& load) {
    try {
      Pointer value = load();
      const std::lock_guard lock(mutex_);
      slot->value = value;
      slot->state = State::loaded;
      changed_.notify_all();
      return value;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      slot->state = State::failed;
      erase(slot);
      changed_.notify_all();
      throw;
    }
  }

  /// Takes a copy: the reference may be to the list's own element.
  void erase(std::shared_ptr<Slot> slot) {
    const auto found = slots_.find(slot->key);
    if (found == slots_.end() || *found->second != slot) return;
    order_.erase(found->second);
    slots_.erase(found);
  }

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Order order_;  // the one used last in front
  std::unordered_map<std::uint64_t, typename Order::iterator> slots_;
};

}  // namespace v2vfs::convert
