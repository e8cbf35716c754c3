// SPDX-License-Identifier: MIT
#include "convert/disk/layer_cover.h"

#include <algorithm>

#include "inspect/base/checked.h"

namespace v2vfs::convert {

Overlap overlap_of(const Extent& extent, std::uint64_t cluster, std::uint64_t first,
                   std::uint64_t count) {
  const std::uint64_t start = extent.guest_offset / cluster;
  const std::uint64_t end = start + ceil_div(extent.bytes, cluster);
  const std::uint64_t from = std::max(start, first);
  const std::uint64_t to = std::min(end, first + count);
  if (from >= to) return {};
  return {from - start, from - first, to - from};
}

std::vector<bool> LayerCover::covered(std::size_t layer, const ClusterWindow& window) const {
  std::vector<bool> result(window.count);
  for (std::size_t above = 0; above < layer; ++above) {
    add_covered(source_.layers()[above], window, result);
  }
  return result;
}

void LayerCover::add_covered(const Layer& above, const ClusterWindow& window,
                             std::vector<bool>& result) const {
  std::vector<Grain> grains;
  const std::uint64_t end = std::min((window.first + window.count) * cluster_, above.bytes());
  for (std::uint64_t at = window.first * cluster_; at < end;) {
    const Extent& extent = above.extent_at(at);
    const Overlap overlap = overlap_of(extent, cluster_, window.first, window.count);
    grains.assign(overlap.count, {GrainKind::zero, 0});
    if (extent.sparse) extent.sparse->tables().grains(overlap.in_extent, grains);
    for (std::size_t i = 0; i < grains.size(); ++i) {
      if (grains[i].kind != GrainKind::hole) result[overlap.in_window + i] = true;
    }
    at = (window.first + overlap.in_window + overlap.count) * cluster_;
  }
}

bool LayerCover::is_covered(std::size_t layer, std::uint64_t cluster) const {
  return covered(layer, {cluster, 1})[0];
}

}  // namespace v2vfs::convert
