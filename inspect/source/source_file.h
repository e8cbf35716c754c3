// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/base/unique_fd.h"

namespace v2vfs::inspect {

class SourceContent;

/// A range of bytes of a source: a whole file, a member of an OVA (DSP0243: a ustar archive, read
/// in place), or a range of what is no host file as it lies: joined parts, what a compressed file
/// holds (SourceContent). Cheap to copy, descriptors are shared, opened read-only. Thread safe.
class SourceFile {
 public:
  /// `name` is what messages call it, already cleaned. The range lies inside the file.
  SourceFile(std::shared_ptr<const UniqueFd> fd, std::string name, std::uint64_t offset,
             std::uint64_t length);
  /// All of `content`.
  SourceFile(std::shared_ptr<const SourceContent> content, std::string name);

  const std::string& name() const { return name_; }

  /// Bytes. The first call for what a compressed file holds may read all of that, once; only then
  /// it throws Error(EIO).
  std::uint64_t length() const { return content_ ? content_length() : length_; }

  /// A range of this file as a file of its own, under another name. Throws Error(EIO) if it does
  /// not lie inside.
  SourceFile part(std::uint64_t offset, std::uint64_t length, std::string name) const;

  /// Fills `out` from `offset` (bytes, within this file). Throws Error(EIO) with file and offset if
  /// the bytes cannot all be read: never zeros, never short.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// The first bytes, at most `most`: of a compressed file without reading more of it than that
  /// takes. Throws Error(EIO).
  std::string head(std::size_t most) const;

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
  /// Of several host files: the first one's identity, all their bytes, the latest time.
  HostStat host_stat() const;

  /// Where the bytes lie if they are a plain range of one host file, for whoever hands the
  /// descriptor to another program. It stays open as long as this object. nullopt: they are joined
  /// or decompressed, and can be had from read() only.
  struct HostRange {
    int fd = -1;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  std::optional<HostRange> host_range() const;

  /// The files as they lie on the host that this one is made of, in their order: itself, if it is a
  /// plain range; the parts; the compressed file. For digests, and for noticing a change.
  std::vector<SourceFile> stored_files() const;

 private:
  static constexpr std::uint64_t kToEnd = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t content_length() const;
  [[noreturn]] void refuse_range(std::uint64_t offset, std::uint64_t bytes) const;
  std::uint64_t seek(std::uint64_t offset, int whence, std::uint64_t otherwise) const;

  std::shared_ptr<const UniqueFd> fd_;
  std::string name_;
  std::uint64_t offset_;
  std::uint64_t length_;  // kToEnd: as long as the content, which may not be known yet
  std::shared_ptr<const SourceContent> content_;  // nullptr: a range of fd_
};

/// Bytes that are no range of one host file. Thread safe.
class SourceContent {
 public:
  virtual ~SourceContent() = default;

  /// May read all of a compressed file, once. Throws Error(EIO).
  virtual std::uint64_t length() const = 0;
  /// Fills `out` from `offset`; the range lies inside. Throws Error(EIO), never gives zeros.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// As SourceFile::head().
  virtual std::string head(std::size_t most) const = 0;
  /// As SourceFile's; `offset` lies inside. All is data unless it is known to be none.
  virtual std::uint64_t next_data(std::uint64_t offset) const { return offset; }
  virtual std::uint64_t next_hole(std::uint64_t) const { return length(); }
  virtual std::vector<SourceFile> stored_files() const = 0;
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

  /// The names of the files that hold what `name` stands for: itself, or its parts.
  virtual std::vector<std::string> stored_names(const std::string& name) const { return {name}; }
  /// As open(), but as it lies in the folder or archive: a part, what is compressed.
  virtual SourceFile open_stored(std::string_view name) const { return open(name); }

  /// The absolute path on the host that `name` stands for, without opening it. nullopt: it is no
  /// file of a folder, or none that could be opened.
  virtual std::optional<std::string> path_of(std::string_view) const { return std::nullopt; }
};

}  // namespace v2vfs::inspect
