// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "fs/guest_tree.h"

namespace v2vfs::fs {

/// What was used last, up to a weight in all. Not thread safe.
template <typename Value>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(std::size_t most) : most_(most) {}

  const Value* find(const std::string& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return &found->second->value;
  }
  /// Stays at least until the next put(), however heavy it is.
  void put(const std::string& key, Value value, std::size_t weight) {
    remove(key);
    items_.push_front({key, std::move(value), weight});
    by_key_[key] = items_.begin();
    weight_ += weight;
    while (weight_ > most_ && items_.size() > 1) remove(items_.back().key);
  }
  void clear() {
    items_.clear();
    by_key_.clear();
    weight_ = 0;
  }

 private:
  struct Item {
    std::string key;
    Value value;
    std::size_t weight;
  };
  void remove(std::string key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    weight_ -= found->second->weight;
    items_.erase(found->second);
    by_key_.erase(found);
  }

  const std::size_t most_;
  std::size_t weight_ = 0;
  std::list<Item> items_;
  std::unordered_map<std::string, typename std::list<Item>::iterator> by_key_;
};

/// A GuestTree that keeps what the guest was asked for: listings with all attributes, extended
/// attributes, and pieces of files, each up to a bound. Thread safe.
class GuestCache : public GuestTree {
 public:
  struct Limits {
    std::size_t entries = 100'000;  // in listings
    std::size_t xattr_bytes = 4 << 20;
    std::size_t content_bytes = 32 << 20;
  };
  /// Something to ask the guest; it keeps the answer in the cache.
  using Question = std::function<void(inspect::Guest&)>;
  /// Either asks at once, and returns or throws what the guest did, or has it asked and throws
  /// NotYet. Called without a lock of the cache.
  using Ask = std::function<void(Question)>;

  explicit GuestCache(Ask ask, Limits limits);
  explicit GuestCache(Ask ask) : GuestCache(std::move(ask), Limits()) {}

  std::optional<inspect::FileEntry> find(const std::string& path) override;
  std::shared_ptr<const Listing> list(const std::string& path) override;
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length) override;
  std::vector<inspect::Xattr> xattrs(const std::string& path) override;
  std::uint64_t generation() const override;
  /// The disks changed: what is being asked now is not kept either.
  void forget();

 private:
  template <typename Value>
  Value get(RecentlyUsed<Value>& kept, const std::string& key,
            std::function<std::pair<Value, std::size_t>(inspect::Guest&)> question);
  std::string piece(const std::string& path, std::uint64_t index);

  const Ask ask_;
  mutable std::mutex mutex_;
  std::uint64_t generation_ = 1;                               // guarded by mutex_
  RecentlyUsed<std::shared_ptr<const Listing>> listings_;      // guarded by mutex_
  RecentlyUsed<std::vector<inspect::Xattr>> xattrs_;           // guarded by mutex_
  RecentlyUsed<std::shared_ptr<const std::string>> contents_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
