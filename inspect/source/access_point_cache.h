// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "inspect/source/access_points.h"

namespace v2vfs::inspect {

/// The access points of all compressed files of a mount: found once for each, kept between mounts.
/// Thread safe.
class AccessPointCache {
 public:
  /// `folder` is made when it is needed, for its owner only; empty: nothing is kept.
  /// `stop` may be empty; true ends passes over compressed files.
  AccessPointCache(std::string folder, std::function<bool()> stop)
      : folder_(std::move(folder)), stop_(std::move(stop)) {}

  using Find = std::function<AccessPoints(const std::string& folder)>;
  /// Those of the stream that `key` (64 characters) stands for: known, kept, or found by `find`.
  /// Whoever asks for the same one meanwhile waits. Throws what `find` throws.
  std::shared_ptr<const AccessPoints> get(const std::string& key, const Find& find);

  bool is_stopped() const { return stop_ && stop_(); }

 private:
  struct Slot {
    std::mutex mutex;
    std::shared_ptr<const AccessPoints> points;  // guarded by mutex
  };
  std::shared_ptr<Slot> slot(const std::string& key);
  std::string made_folder();

  const std::string folder_;
  const std::function<bool()> stop_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Slot>> slots_;  // guarded by mutex_
  bool is_tidied_ = false;                              // guarded by mutex_
};

}  // namespace v2vfs::inspect
