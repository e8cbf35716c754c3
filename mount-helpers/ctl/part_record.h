// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "inspect/base/unique_fd.h"
#include "mount-helpers/ctl/data_pieces.h"

namespace v2vfs::ctl {

/// What a disk was when it was copied: by this it is known again.
struct DiskIdentity {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t written_bytes = 0;  // through the mount
  std::string head_digest;          // of the first 8 MiB: the header and its tables

  bool operator==(const DiskIdentity&) const = default;
};

/// The record of a copy that is not whole: FILE.record beside FILE.part. Its first line says of
/// which disk, each other one is a piece that was written, with its SHA-256. Nothing in it is
/// believed: whoever goes on reads the pieces again. So it needs no barriers, and a line that was
/// cut short does no harm. Thread safe.
class PartRecord {
 public:
  /// Begins a new one.
  PartRecord(const std::string& path, const DiskIdentity& identity);
  /// The one that is there; nullopt if there is none, or it is of another disk.
  static std::optional<PartRecord> open(const std::string& path, const DiskIdentity& identity);
  PartRecord(PartRecord&& other) noexcept;

  void add(const Piece& piece, const std::string& digest);
  /// Of a piece that was written before or now.
  std::optional<std::string> digest_of(const Piece& piece) const;
  /// All, by offset.
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> pieces() const;

 private:
  explicit PartRecord(UniqueFd file) : file_(std::move(file)) {}

  mutable std::mutex mutex_;
  UniqueFd file_;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> pieces_;  // offset: bytes, digest
};

}  // namespace v2vfs::ctl
