// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace v2vfs::fs {

/// What a guest sees of its disk, read through the tables of disk.qcow2 as they are at this moment:
/// for the few sectors that are looked at without an appliance. One thread.
class GuestBytes {
 public:
  /// Of disk.qcow2; within the file. Throws Error.
  using ReadFile = std::function<void(std::uint64_t offset, std::span<std::byte> out)>;

  /// Throws Error(EIO) for what is no qcow2 as disk.qcow2 is one, and what `read_file` throws; so
  /// does read().
  GuestBytes(ReadFile read_file, std::uint64_t file_bytes);

  std::uint64_t bytes() const { return virtual_bytes_; }
  void read(std::uint64_t offset, std::span<std::byte> out);

 private:
  std::vector<std::byte> file_bytes(std::uint64_t offset, std::uint64_t length) const;
  std::uint64_t number_at(std::uint64_t offset) const;
  const std::vector<std::byte>& cluster(std::uint64_t index);
  std::vector<std::byte> inflate(std::uint64_t entry) const;

  const ReadFile read_file_;
  const std::uint64_t file_length_;
  unsigned cluster_bits_ = 0;
  std::uint64_t cluster_bytes_ = 0, virtual_bytes_ = 0, l1_ = 0, l1_entries_ = 0;
  std::uint64_t held_ = UINT64_MAX;  // the cluster that is in `content_`
  std::vector<std::byte> content_;
};

}  // namespace v2vfs::fs
