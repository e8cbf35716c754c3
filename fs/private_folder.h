// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {

/// Makes `root` (0700) if it is missing. Throws StartError(exit_state) if it is not ours alone.
void make_private_root(const std::string& root);
/// What lies in it; a folder that is not there has nothing. Throws Error: a state that was not seen
/// would be made anew, without what was written.
std::vector<std::string> names_in(const std::string& folder);
/// The folders among it. Throws StartError(exit_state).
std::vector<std::string> folders_in(const std::string& root);

/// A private folder inside `root`, `prefix`XXXXXX, removed with all in it when this ends. What a
/// daemon left that was killed is removed first; a dead mount of ours in it, at `mnt`, is taken
/// away.
class PrivateFolder {
 public:
  /// Throws StartError(exit_state).
  PrivateFolder(const std::string& root, const std::string& prefix);
  ~PrivateFolder();
  static void remove_left(const std::string& root, const std::string& prefix);
  PrivateFolder(const PrivateFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Where something may be mounted; not there yet.
  std::string mount_point() const { return path_ + "/mnt"; }

 private:
  std::string path_;
  UniqueFd lock_;
};

}  // namespace v2vfs::fs
