// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/base/unique_fd.h"
#include "mount-helpers/ctl/mounts.h"

namespace v2vfs::ctl {

/// A folder that is made if it is not there, and is gone again if it was made for nothing.
class MadeFolder {
 public:
  explicit MadeFolder(std::string path);
  MadeFolder(const MadeFolder&) = delete;
  MadeFolder& operator=(const MadeFolder&) = delete;
  ~MadeFolder();

 private:
  const std::string path_;
  const bool made_;
};

/// DEST/VM/ in a DEST that is there, made if need be; nobody else copies into it while this lives.
/// Throws Error: EEXIST where one of `disks` is there already, or a domain.xml, and was not made by
/// a copy that has still to be ended (FILE.record).
class TargetFolder {
 public:
  TargetFolder(const std::string& destination, const Place& vm,
               const std::vector<std::string>& disks);
  TargetFolder(const TargetFolder&) = delete;
  TargetFolder& operator=(const TargetFolder&) = delete;
  /// A folder that was made for nothing is gone again.
  ~TargetFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string part(const std::string& name) const { return file(name) + ".part"; }
  std::string record(const std::string& name) const { return file(name) + ".record"; }

  /// Makes names durable.
  void sync() const;
  /// Writes a small file, durably, under its name only when it is whole.
  void write_text(const std::string& name, const std::string& text) const;
  void rename(const std::string& from, const std::string& to) const;

 private:
  void check_disk(const std::string& name) const;

  const std::string path_;
  bool made_ = false;
  UniqueFd folder_;  // locked
};

/// DEST as an absolute path without links; it itself may be missing, its parent not. Throws Error
/// for what is no folder, or lies in a mount.
std::string absolute_destination(const std::string& destination);

}  // namespace v2vfs::ctl
