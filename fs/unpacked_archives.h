// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fs/state_locks.h"

namespace v2vfs::fs {

/// The folders of archives that had to be unpacked (-o unpack): states like those of VMs, listed
/// and removed like them, held as long as this lives. Thread safe.
class UnpackedArchives {
 public:
  /// `root` is made if it is missing. Throws StartError(exit_state).
  UnpackedArchives(std::string root, const std::string& mountpoint);

  /// As inspect::UnpackFolder. Throws StartError(exit_state) if another mount has it, Error.
  std::string folder(const std::string& key, const std::string& archive);

 private:
  const std::string root_;
  const std::shared_ptr<StateLocks> locks_;
  std::mutex mutex_;
  std::map<std::string, StateLocks::Lock> held_;  // by id; guarded by mutex_
};

}  // namespace v2vfs::fs
