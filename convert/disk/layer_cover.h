// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "convert/disk/disk_source.h"

namespace v2vfs::convert {

/// The clusters that an extent and [first, first + count) have in common; the first of them counts
/// from the extent's beginning.
struct Overlap {
  std::uint64_t in_extent = 0;
  std::uint64_t in_window = 0;
  std::uint64_t count = 0;
};

Overlap overlap_of(const Extent& extent, std::uint64_t cluster, std::uint64_t first,
                   std::uint64_t count);

/// Guest clusters in a row, from `first` on.
struct ClusterWindow {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// What of a chain's lower layers the upper ones hide, by clusters. Thread safe.
class LayerCover {
 public:
  /// `source` outlives it.
  LayerCover(const DiskSource& source, std::uint64_t cluster)
      : source_(source), cluster_(cluster) {}

  /// For each cluster of `window`: a layer above `layer` says what it is. Throws Error if a grain
  /// table cannot be read.
  std::vector<bool> covered(std::size_t layer, const ClusterWindow& window) const;
  bool is_covered(std::size_t layer, std::uint64_t cluster) const;

 private:
  void add_covered(const Layer& above, const ClusterWindow& window,
                   std::vector<bool>& result) const;

  const DiskSource& source_;
  const std::uint64_t cluster_;
};

}  // namespace v2vfs::convert
