// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "convert/disk/disk_view.h"
#include "convert/disk/sparse_extent.h"
#include "convert/disk/stored_grains.h"

namespace v2vfs::convert {

/// Inflates each deflated grain of an extent once before bytes of it are served as they lie:
/// whoever reads them inflates them without their checksum. One bit a grain. Thread safe.
class GrainCheck {
 public:
  /// Both outlive the check.
  GrainCheck(const SparseExtent& extent, const StoredGrains& grains);

  /// Throws Error(EIO) with file and offset if a grain that touches the bytes [offset, offset +
  /// length) of the extent's file is damaged.
  void require(std::uint64_t offset, std::uint64_t length);

 private:
  bool is_good(std::size_t rank) const;
  void check(std::size_t rank);

  const SparseExtent& extent_;
  const StoredGrains& grains_;
  std::vector<std::atomic<std::uint64_t>> good_;
};

/// Checks every grain of `extent` in the order of the disk, and counts damaged table entries too.
void verify_extent(const SparseExtent& extent, const std::function<bool()>& stop,
                   VerifyReport& report);

}  // namespace v2vfs::convert
