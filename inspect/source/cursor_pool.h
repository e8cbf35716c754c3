// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace v2vfs::inspect {

/// The places where a compressed stream is being read, so that whoever reads on does not begin
/// anew. A Cursor has is_behind(offset, point): whether `offset` can be had from it without going
/// to the access point `point`. Thread safe.
template <typename Cursor>
class CursorPool {
 public:
  using Make = std::function<std::unique_ptr<Cursor>()>;
  explicit CursorPool(Make make) : make_(std::move(make)) {}

  /// Calls `read` with a cursor that nobody else has meanwhile: one that is behind, a new one, or
  /// the one that was not used for longest. One that throws is not used again.
  template <typename Read>
  void with(std::uint64_t offset, std::uint64_t point, Read read) {
    Lease lease(*this, offset, point);
    read(*lease.cursor);
    lease.is_good = true;
  }

 private:
  static constexpr std::size_t kMost = 4;

  struct Lease {
    Lease(CursorPool& from, std::uint64_t offset, std::uint64_t point)
        : pool(from), cursor(from.take(offset, point)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool.give_back(is_good ? std::move(cursor) : nullptr); }

    CursorPool& pool;
    std::unique_ptr<Cursor> cursor;
    bool is_good = false;
  };

  std::unique_ptr<Cursor> take(std::uint64_t offset, std::uint64_t point) {
    std::unique_lock lock(mutex_);
    signal_.wait(lock, [&] { return !idle_.empty() || made_ < kMost; });
    auto chosen = std::find_if(idle_.begin(), idle_.end(), [&](const auto& cursor) {
      return cursor->is_behind(offset, point);
    });
    if (chosen == idle_.end() && made_ < kMost) {
      std::unique_ptr<Cursor> cursor = make_();
      ++made_;
      return cursor;
    }
    if (chosen == idle_.end()) chosen = idle_.begin();
    std::unique_ptr<Cursor> cursor = std::move(*chosen);
    idle_.erase(chosen);
    return cursor;
  }

  void give_back(std::unique_ptr<Cursor> cursor) {
    {
      const std::lock_guard lock(mutex_);
      if (cursor) {
        idle_.push_back(std::move(cursor));
      } else {
        --made_;
      }
    }
    signal_.notify_one();
  }

  const Make make_;
  std::mutex mutex_;
  std::condition_variable signal_;
  std::list<std::unique_ptr<Cursor>> idle_;  // guarded by mutex_; the last used one last
  std::size_t made_ = 0;                     // guarded by mutex_; idle or lent
};

}  // namespace v2vfs::inspect
