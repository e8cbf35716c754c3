// SPDX-License-Identifier: MIT
#include "fs/manifest_check.h"

#include <fmt/core.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/source/manifest.h"

namespace v2vfs::fs {
namespace {

/// Whoever reads a disk for a moment only (a partition table, a superblock) is not joined by a pass
/// over all of it.
constexpr auto kStartAfter = std::chrono::seconds(5);

/// For this thread only; where it is not allowed it runs like any other.
void yield_to_everybody() {
  const sched_param parameters{};
  ::sched_setscheduler(0, SCHED_IDLE, &parameters);
  constexpr int kWhoThread = 1, kClassIdle = 3 << 13;  // ioprio_set(2)
  ::syscall(SYS_ioprio_set, kWhoThread, 0, kClassIdle);
}

/// False if `stop` came first.
bool wait_before_start(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any signal;
  std::unique_lock lock(mutex);
  return !signal.wait_for(lock, stop, kStartAfter, [] { return false; }) && !stop.stop_requested();
}

}  // namespace

ManifestCheck::ManifestCheck(std::string vm, std::shared_ptr<const inspect::SourceFiles> files,
                             std::string descriptor_path, std::vector<std::string> file_names)
    : vm_(std::move(vm)),
      files_(std::move(files)),
      descriptor_path_(std::move(descriptor_path)),
      file_names_(std::move(file_names)) {}

void ManifestCheck::start_once() {
  if (started_.exchange(true)) return;
  const std::lock_guard lock(mutex_);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Integrity ManifestCheck::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

void ManifestCheck::set(Integrity integrity) {
  const std::lock_guard lock(mutex_);
  result_ = std::move(integrity);
}

void ManifestCheck::run(const std::stop_token& stop) {
  if (!wait_before_start(stop)) return;
  yield_to_everybody();
  set({"checking", "the source is compared with its manifest", 0});
  Integrity integrity;
  try {
    integrity = compare(stop);
  } catch (const std::exception& e) {
    integrity = {"unchecked", std::string("the manifest could not be compared: ") + e.what(), 0};
  }
  if (integrity.state == "damaged") log::error("{}: {}", vm_, integrity.what);
  set(std::move(integrity));
}

Integrity ManifestCheck::compare(const std::stop_token& stop) {
  const auto manifest = inspect::read_manifest(*files_, descriptor_path_);
  if (!manifest) return {"unchecked", "the source has no manifest", 0};
  std::uint64_t bytes = 0;
  unsigned files = 0;
  for (const inspect::ManifestEntry& entry : manifest->entries) {
    if (std::find(file_names_.begin(), file_names_.end(), entry.file) == file_names_.end())
      continue;
    const auto wrong = inspect::check_digest(*files_, entry, [&] { return stop.stop_requested(); });
    if (!wrong) return {"unchecked", "the check was ended", bytes};
    bytes += files_->open(entry.file).length();
    if (!wrong->empty()) return {"damaged", *wrong, bytes};
    ++files;
  }
  if (files < file_names_.size()) {
    return {"unchecked",
            fmt::format("the manifest names {} of {} disk files; those are as exported", files,
                        file_names_.size()),
            bytes};
  }
  return {"good", "every disk file is as the manifest says", bytes};
}

}  // namespace v2vfs::fs
