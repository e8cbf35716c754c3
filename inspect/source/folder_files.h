// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "inspect/base/unique_fd.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// A folder that a user named, held open (O_PATH): the root below which everything is opened. Links
/// on the way to it are followed, links below it never are. Thread safe.
class SourceRoot {
 public:
  /// Throws Error with the errno of open(2).
  explicit SourceRoot(const std::string& path);

  /// Without a '/' at its end; empty for the root folder.
  const std::string& path() const { return path_; }

  /// openat2(2) below the root, never through a link; `flags` are added to O_RDONLY | O_CLOEXEC |
  /// O_NOFOLLOW | O_NONBLOCK. `name` is relative; "." is the root itself. Throws Error: ENOENT,
  /// EACCES (a link, or outside), or what the kernel says.
  UniqueFd open(const std::string& name, int flags) const;

  struct Entry {
    std::string name;
    mode_t type = 0;  // S_IFREG, S_IFDIR, S_IFLNK, ...
  };
  /// What the folder `name` holds, sorted by name, without "." and "..", at most `most` entries
  /// (which are then any).
  std::vector<Entry> entries(const std::string& name, std::size_t most) const;

 private:
  std::string path_;
  UniqueFd folder_;
};

/// The files of one folder below a root, opened when asked for. Thread safe.
class FolderFiles : public SourceFiles {
 public:
  /// `folder` is relative to the root: "" or "a/b/".
  FolderFiles(std::shared_ptr<const SourceRoot> root, std::string folder);

  SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override;
  std::optional<std::string> path_of(std::string_view name) const override;

 private:
  std::shared_ptr<const SourceRoot> root_;
  std::string folder_;
};

}  // namespace v2vfs::inspect
