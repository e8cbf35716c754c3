// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/base/unique_fd.h"

namespace v2vfs::inspect {

/// A range of bytes of a source: a whole file, or a member of an OVA (DSP0243: a ustar archive,
/// read in place). Cheap to copy, the descriptor is shared, opened read-only. Thread safe: only
/// pread(2).
class SourceFile {
 public:
  /// `name` is what messages call it, already cleaned. The range lies inside the file.
  SourceFile(std::shared_ptr<const UniqueFd> fd, std::string name, std::uint64_t offset,
             std::uint64_t length);

  const std::string& name() const { return name_; }
  std::uint64_t length() const { return length_; }

  /// A range of this file as a file of its own, under another name. Throws Error(EIO) if it does
  /// not lie inside.
  SourceFile part(std::uint64_t offset, std::uint64_t length, std::string name) const;

  /// Fills `out` from `offset` (bytes, within this file). Throws Error(EIO) with file and offset if
  /// the bytes cannot all be read: never zeros, never short.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// SEEK_DATA and SEEK_HOLE of the host file, in this file's offsets; length() if there is no
  /// more. A file system that cannot tell says "all data".
  std::uint64_t next_data(std::uint64_t offset) const;
  std::uint64_t next_hole(std::uint64_t offset) const;

  /// The host file's identity, a hint for finding state again and for noticing a change.
  struct HostStat {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t mtime_ns = 0;
    bool operator==(const HostStat&) const = default;
  };
  HostStat host_stat() const;

 private:
  std::uint64_t seek(std::uint64_t offset, int whence, std::uint64_t otherwise) const;

  std::shared_ptr<const UniqueFd> fd_;
  std::string name_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

/// The files that a descriptor may name: those of its own folder (and folders below it), or the
/// members of its archive. Nothing outside can be opened, whatever the name says. Thread safe.
class SourceFiles {
 public:
  virtual ~SourceFiles() = default;

  /// Opens `name`, relative with '/' between components. Throws Error: ENOENT (not there), EACCES
  /// (it would lie outside, is a link, or no regular file).
  virtual SourceFile open(std::string_view name) const = 0;

  /// Names of the regular files, sorted, bounded (200,000); folders below are included for archives
  /// only.
  virtual std::vector<std::string> names() const = 0;
};

}  // namespace v2vfs::inspect
