// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::fs {

/// Notices that a source changed under a mount. Looks at the files' sizes and times at most once a
/// second; only where those differ is the identity computed again. Thread safe.
class SourceWatch {
 public:
  /// `identity_now` opens the source anew and computes its identity (it may throw Error).
  SourceWatch(const std::vector<inspect::SourceFile>& files, std::string identity,
              std::function<std::string()> identity_now);

  /// Empty if the source is what it was; else a sentence that says what differs.
  std::string look();

 private:
  std::string look_closely();
  std::string describe_change() const;

  const std::vector<inspect::SourceFile> files_;
  const std::string identity_;
  const std::function<std::string()> identity_now_;
  std::atomic<std::int64_t> next_look_ns_ = 0;
  std::mutex mutex_;
  std::vector<inspect::SourceFile::HostStat> seen_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
