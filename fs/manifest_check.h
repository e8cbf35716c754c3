// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fs/vm_status.h"
#include "inspect/source/manifest.h"
#include "inspect/source/source_file.h"

namespace v2vfs::fs {

/// Compares one VM's files with the digests of its manifest, once a mount, in the background: a
/// served grain keeps its deflate stream but not the checksum behind it, so damage of the source
/// would go unnoticed. Runs only when nothing else wants the processor or the disk. Thread safe.
class ManifestCheck {
 public:
  /// `file_names` are those that the VM's disks use.
  ManifestCheck(std::string vm, std::shared_ptr<const inspect::SourceFiles> files,
                std::string descriptor_path, const std::vector<std::string>& file_names);

  /// At the first access to content; does nothing afterwards.
  void start_once();
  Integrity result() const;
  /// Replaces the result but for the signature: somebody looked closer.
  void set(Integrity integrity);

 private:
  void run(const std::stop_token& stop);
  Integrity compare(const std::stop_token& stop);
  bool is_checked(const std::string& file) const;
  std::uint64_t bytes_of(const inspect::Manifest& manifest) const;
  /// Empty unless it is bad.
  std::string check_signature();

  const std::string vm_;
  const std::shared_ptr<const inspect::SourceFiles> files_;
  const std::string descriptor_path_;
  std::vector<std::string> file_names_;  // as they are stored
  std::atomic<bool> started_ = false;
  mutable std::mutex mutex_;
  Integrity result_;     // guarded by mutex_
  std::jthread thread_;  // guarded by mutex_; last: stopped and joined before the rest goes
};

}  // namespace v2vfs::fs
