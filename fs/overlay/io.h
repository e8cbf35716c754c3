// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace v2vfs::fs {

/// A shared mapping of a file; unmapped when it goes.
class IoMapping {
 public:
  virtual ~IoMapping() = default;
  virtual std::byte* data() = 0;
};

/// An open file. Thread safe. Everything throws Error with the file's name; EINTR and short
/// transfers are dealt with inside.
class IoFile {
 public:
  virtual ~IoFile() = default;
  /// Short only at the end of the file.
  virtual std::size_t pread(std::uint64_t offset, std::span<std::byte> out) = 0;
  /// All of it, or an Error (then any part of it may have been written).
  virtual void pwrite(std::uint64_t offset, std::span<const std::byte> in) = 0;
  virtual std::uint64_t bytes() = 0;
  virtual void truncate(std::uint64_t bytes) = 0;
  /// Gives [0, bytes) room on the disk, so that writing there cannot be ENOSPC, and extends the
  /// file to `bytes` if it is shorter. Content stays.
  virtual void allocate(std::uint64_t bytes) = 0;
  /// Gives the range back; it reads as zeros and the file keeps its length. False where the file
  /// system cannot (nothing has happened then).
  virtual bool punch(std::uint64_t offset, std::uint64_t length) = 0;
  virtual void fdatasync() = 0;
  /// Maps [0, bytes), which may reach past the end; what lies there must not be touched before
  /// allocate() has covered it.
  virtual std::unique_ptr<IoMapping> map_shared(std::uint64_t bytes) = 0;
};

/// Everything the overlay store asks of the system goes through here, so that a test can cut the
/// power or fail a call at any step. Thread safe. Throws Error.
class Io {
 public:
  virtual ~Io() = default;
  /// For reading and writing; nullptr if there is no such file. Never follows a symbolic link.
  virtual std::unique_ptr<IoFile> open(const std::string& path) = 0;
  /// A new file, mode 0600; EEXIST if the name is taken.
  virtual std::unique_ptr<IoFile> create(const std::string& path) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  /// No file of that name is no error.
  virtual void remove(const std::string& path) = 0;
  virtual void sync_folder(const std::string& folder) = 0;
  /// Mode 0700, with a name that is durable when it returns. One that is there is no error.
  virtual void make_folder(const std::string& path) = 0;
  /// With all in it; durable after sync_folder() of its parent. No folder of that name is no error.
  virtual void remove_folder(const std::string& path) = 0;
  /// Names the time through which the page cache of `folder`'s file system has lived: this boot
  /// and, where the kernel counts them (5.15 and later), this appearance of the block device. A
  /// stick that was pulled out and put back is another one. At most 47 bytes; empty: it cannot be
  /// told.
  virtual std::string cache_life(const std::string& folder) = 0;
  virtual void random(std::span<std::byte> out) = 0;
};

/// The system itself.
Io& real_io();

}  // namespace v2vfs::fs
