// SPDX-License-Identifier: MIT
#include "convert/disk/in_place_fit.h"

#include <algorithm>

#include "convert/disk/qcow2_layout.h"

namespace v2vfs::convert {
namespace {

bool size_fits(const SparseHeader& header) {
  const std::uint64_t least = header.compressed ? kUsualCluster : kSmallestCluster;
  return header.grain_bytes() >= least && header.grain_bytes() <= kLargestCluster;
}

/// The cluster that all extents agree on, or why there is none.
std::optional<std::uint64_t> common_cluster(const DiskSource& source, std::string& why_not) {
  for (const Layer& layer : source.layers()) {
    if (layer.bytes() == source.bytes()) continue;
    why_not = "its parents are larger or smaller by a part of a grain";
    return std::nullopt;
  }
  std::optional<std::uint64_t> cluster;
  bool has_file = false;
  for (const Extent* extent : source.extents()) {
    has_file |= extent->file || extent->image;
    if (!extent->sparse) continue;
    const SparseHeader& header = extent->sparse->header();
    if (!size_fits(header) || cluster.value_or(header.grain_bytes()) != header.grain_bytes()) {
      why_not = "its grains have a size that no cluster has, or several sizes";
      return std::nullopt;
    }
    cluster = header.grain_bytes();
  }
  if (!cluster && has_file) why_not = "it has no grains";
  if (!cluster && !has_file) cluster = kUsualCluster;
  return cluster;
}

bool extent_fits(const Extent& extent, std::uint64_t cluster, std::string& why_not) {
  if (extent.guest_offset % cluster != 0) {
    why_not = "an extent does not begin at a multiple of the grain";
  } else if (extent.type == ExtentType::barred) {
    why_not = "a part of it may not be read";
  } else if (extent.sparse) {
    const GrainScan& scan = extent.sparse->scanned();
    const bool is_small = extent.sparse->header().kind == SparseKind::se_sparse;
    if (!scan.has_starts) {
      why_not =
          is_small ? "it is seSparse, whose grains are many and small" : "its grain tables overlap";
    }
    if (scan.damaged_grains > scan.damaged.size()) why_not = "too much of it is damaged";
    if (!extent.sparse->header().compressed && !scan.is_aligned) {
      why_not = "its grains are not aligned in their file";
    }
  }
  return why_not.empty();
}

}  // namespace

std::optional<std::uint64_t> in_place_cluster(const DiskSource& source, std::string& why_not) {
  const auto cluster = common_cluster(source, why_not);
  if (!cluster) return std::nullopt;
  for (const Extent* extent : source.extents()) {
    if (!extent_fits(*extent, *cluster, why_not)) return std::nullopt;
  }
  return cluster;
}

}  // namespace v2vfs::convert
