// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace v2vfs::fs {

/// What the kernel holds by number: open files and listings. It gives each back, but for those
/// whose RELEASE was under way when the connection ended; they go with this. Thread safe.
template <typename T>
class Lent {
 public:
  /// The number is an address: find() is a cast.
  std::uint64_t lend(std::unique_ptr<T> object) {
    const auto number = reinterpret_cast<std::uint64_t>(object.get());
    const std::lock_guard lock(mutex_);
    objects_[number] = std::move(object);
    return number;
  }
  static T& find(std::uint64_t number) { return *reinterpret_cast<T*>(number); }
  /// Destroys it on the caller's thread, outside of the lock.
  void take_back(std::uint64_t number) {
    const auto object = [&] {
      const std::lock_guard lock(mutex_);
      return objects_.extract(number);
    }();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::unique_ptr<T>> objects_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
