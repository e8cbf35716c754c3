// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fs/guest_tree.h"
#include "inspect/guest/file_contexts.h"

namespace v2vfs::fs {

/// Which SELinux label the guest's policy gives a new file. The policy is read when it is first
/// needed, and again when the disks have changed. Not thread safe.
class GuestLabels {
 public:
  explicit GuestLabels(GuestTree& tree) : tree_(tree) {}
  /// The value of security.selinux, with the NUL at its end; nullopt: the guest has no SELinux, or
  /// its policy gives none. Throws what the tree does.
  std::optional<std::string> label(const std::string& path, inspect::FileKind kind);

 private:
  void load();
  std::string text_of(const std::string& path);

  GuestTree& tree_;
  std::uint64_t generation_ = 0;
  inspect::FileContexts contexts_;
};

}  // namespace v2vfs::fs
