// SPDX-License-Identifier: MIT
#include "fs/source_watch.h"

#include <fmt/core.h>

#include <cerrno>
#include <chrono>

#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

constexpr std::int64_t kLookEveryNs = 1'000'000'000;

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// The files of the host that they are made of.
std::vector<inspect::SourceFile> stored_files(const std::vector<inspect::SourceFile>& files) {
  std::vector<inspect::SourceFile> all;
  for (const inspect::SourceFile& file : files) {
    for (inspect::SourceFile& stored : file.stored_files()) all.push_back(std::move(stored));
  }
  return all;
}

std::vector<inspect::SourceFile::HostStat> stat_all(const std::vector<inspect::SourceFile>& files) {
  std::vector<inspect::SourceFile::HostStat> stats;
  for (const inspect::SourceFile& file : files) stats.push_back(file.host_stat());
  return stats;
}

}  // namespace

SourceWatch::SourceWatch(const std::vector<inspect::SourceFile>& files, std::string identity,
                         std::function<std::string()> identity_now)
    : files_(stored_files(files)),
      identity_(std::move(identity)),
      identity_now_(std::move(identity_now)),
      seen_(stat_all(files_)) {}

std::string SourceWatch::look() {
  std::int64_t due = next_look_ns_.load(std::memory_order_relaxed);
  const std::int64_t now = now_ns();
  if (now < due || !next_look_ns_.compare_exchange_strong(due, now + kLookEveryNs)) return "";
  const std::lock_guard lock(mutex_);
  return look_closely();
}

std::string SourceWatch::look_closely() {
  const std::string change = describe_change();
  if (change.empty()) return "";
  try {
    if (identity_now_() != identity_) return change;
  } catch (
      const Error& e) {  // a failure that may pass: this access fails, the next one looks again
    next_look_ns_ = 0;
    throw Error(EIO, change + ", and what it is now cannot be read: " + e.sentence());
  }
  log::warning("{}; sizes and tables are as they were, so it is served on", change);
  seen_ = stat_all(files_);
  return "";
}

std::string SourceWatch::describe_change() const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const inspect::SourceFile::HostStat now = files_[i].host_stat();
    if (now == seen_[i]) continue;
    if (now.bytes != seen_[i].bytes) {
      return fmt::format("{} was changed while it is mounted: {} bytes then, {} bytes now",
                         files_[i].name(), seen_[i].bytes, now.bytes);
    }
    return fmt::format("{} was written to while it is mounted", files_[i].name());
  }
  return "";
}

}  // namespace v2vfs::fs
