// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"

namespace v2vfs::test {

/// Reads a view as a program that knows qcow2 (docs/interop/qcow2.txt) and nothing of v2vfs would.
class Qcow2Reader {
 public:
  explicit Qcow2Reader(convert::DiskView& view);

  std::uint64_t virtual_bytes() const { return virtual_bytes_; }
  std::uint64_t cluster_bytes() const { return cluster_; }

  /// The guest's cluster `index`, a whole one. Throws Error(EIO) where the view does, or where a
  /// compressed cluster does not inflate to a cluster.
  std::vector<std::byte> guest_cluster(std::uint64_t index);

  /// Compares every refcount with the references that there are, and COPIED with the refcount; a
  /// sentence for the first that differs, else empty.
  std::string check();

  std::uint64_t l2_entry(std::uint64_t guest_cluster);
  std::uint64_t refcount(std::uint64_t host_cluster);

 private:
  std::uint64_t u64(std::uint64_t offset);
  std::uint64_t u32(std::uint64_t offset);
  std::vector<std::byte> bytes(std::uint64_t offset, std::uint64_t count);
  void count(std::map<std::uint64_t, std::uint64_t>& uses, std::uint64_t offset,
             std::uint64_t length);

  convert::DiskView& view_;
  std::uint64_t cluster_;
  unsigned cluster_bits_;
  std::uint64_t virtual_bytes_;
  std::uint64_t l1_size_;
  std::uint64_t l1_;
  std::uint64_t refcount_table_;
  std::uint64_t refcount_table_clusters_;
};

}  // namespace v2vfs::test
