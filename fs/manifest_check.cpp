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

Integrity with(std::string state, std::string what, std::uint64_t bytes) {
  Integrity integrity;
  integrity.state = std::move(state);
  integrity.what = std::move(what);
  integrity.checked_bytes = bytes;
  return integrity;
}
Integrity unchecked(std::string what, std::uint64_t bytes) {
  return with("unchecked", std::move(what), bytes);
}
Integrity damaged(std::string what, std::uint64_t bytes) {
  return with("damaged", std::move(what), bytes);
}

bool is_descriptor(const std::string& file) { return file.ends_with(".ovf"); }

std::string word(inspect::ManifestSignature::State state) {
  using State = inspect::ManifestSignature::State;
  switch (state) {
    case State::none:
      return "none";
    case State::bad:
      return "bad";
    case State::self_signed:
      return "self-signed";
    case State::untrusted:
      return "untrusted";
    case State::trusted:
      return "trusted";
  }
  return "";
}

}  // namespace

ManifestCheck::ManifestCheck(std::string vm, std::shared_ptr<const inspect::SourceFiles> files,
                             std::string descriptor_path,
                             const std::vector<std::string>& file_names)
    : vm_(std::move(vm)), files_(std::move(files)), descriptor_path_(std::move(descriptor_path)) {
  if (!files_) return;
  for (const std::string& name : file_names) {
    for (std::string& stored : files_->stored_names(name)) file_names_.push_back(std::move(stored));
  }
}

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
  integrity.signature = std::move(result_.signature);
  integrity.signer = std::move(result_.signer);
  result_ = std::move(integrity);
}

std::uint64_t ManifestCheck::bytes_of(const inspect::Manifest& manifest) const {
  std::uint64_t bytes = 0;
  for (const inspect::ManifestEntry& entry : manifest.entries) {
    if (is_checked(entry.file)) bytes += files_->open_stored(entry.file).length();
  }
  return bytes;
}

void ManifestCheck::run(const std::stop_token& stop) {
  if (!wait_before_start(stop)) return;
  yield_to_everybody();
  set(with("checking", "the source is compared with its manifest", 0));
  Integrity integrity;
  try {
    integrity = compare(stop);
  } catch (const std::exception& e) {
    integrity = unchecked(std::string("the manifest could not be compared: ") + e.what(), 0);
  }
  if (integrity.state == "damaged") log::error("{}: {}", vm_, integrity.what);
  set(std::move(integrity));
}

Integrity ManifestCheck::compare(const std::stop_token& stop) {
  const auto manifest = inspect::read_manifest(*files_, descriptor_path_);
  if (const std::string bad = check_signature(); !bad.empty()) return damaged(bad, 0);
  if (!manifest) return unchecked("the source has no manifest", 0);
  Integrity checking = with("checking", "the source is compared with its manifest", 0);
  checking.total_bytes = bytes_of(*manifest);
  const std::uint64_t& bytes = checking.checked_bytes;
  const auto go_on = [&](std::uint64_t more) {
    if (stop.stop_requested()) return false;
    set(checking);
    checking.checked_bytes += more;
    return true;
  };
  unsigned files = 0;
  for (const inspect::ManifestEntry& entry : manifest->entries) {
    if (!is_checked(entry.file)) continue;
    const auto wrong = inspect::check_digest(*files_, entry, go_on);
    if (!wrong) return unchecked("the check was ended", bytes);
    if (!wrong->empty()) return damaged(*wrong, bytes);
    if (!is_descriptor(entry.file)) ++files;
  }
  if (files < file_names_.size()) {
    return unchecked(fmt::format("the manifest names {} of {} disk files; those are as exported",
                                 files, file_names_.size()),
                     bytes);
  }
  return with("good", "every disk file is as the manifest says", bytes);
}

bool ManifestCheck::is_checked(const std::string& file) const {
  return is_descriptor(file) ||
         std::find(file_names_.begin(), file_names_.end(), file) != file_names_.end();
}

std::string ManifestCheck::check_signature() {
  const auto signature = inspect::check_manifest_signature(*files_, descriptor_path_);
  const bool is_bad = signature.state == inspect::ManifestSignature::State::bad;
  const std::lock_guard lock(mutex_);
  result_.signature = word(signature.state);
  result_.signer = signature.signer;
  return is_bad ? signature.what : "";
}

}  // namespace v2vfs::fs
