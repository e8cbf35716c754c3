// SPDX-License-Identifier: MIT
#include "convert/disk/qcow2_layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "inspect/base/checked.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kL1Limit = 32 << 20;  // bytes, QEMU's QCOW_MAX_L1_SIZE
constexpr std::uint64_t kVirtualLimit = std::uint64_t{1} << 53;
constexpr std::uint64_t kRunsLimit = std::uint64_t{1} << 55;
constexpr std::uint64_t kReserveLimit = std::uint64_t{1} << 50;

/// The bits of a compressed cluster's descriptor that hold its offset (qcow2, "Compressed Clusters
/// Descriptor").
unsigned offset_bits(std::uint64_t cluster) { return 62 - (std::countr_zero(cluster) - 8); }

bool is_possible(const LayoutInput& in) {
  if (!is_power_of_two(in.cluster_bytes) || in.cluster_bytes < kSmallestCluster ||
      in.cluster_bytes > kLargestCluster) {
    return false;
  }
  std::uint64_t sum = 0;
  for (const RunShape& run : in.runs) {
    if (run.bytes > kRunsLimit - sum) return false;
    sum += round_up(run.bytes, in.cluster_bytes);
  }
  return sum <= kRunsLimit && in.virtual_bytes <= kVirtualLimit &&
         in.reserve_bytes <= kReserveLimit;
}

bool within_limits(const Qcow2Layout& layout) {
  // Only grains in place can be compressed clusters; a plain entry has 56 bits.
  const bool is_in_place = std::ranges::any_of(
      layout.runs, [](const Run& run) { return run.shape.kind == RunKind::file; });
  const unsigned bits = is_in_place ? std::min(offset_bits(layout.cluster_bytes), 56u) : 56u;
  const std::uint64_t covered = layout.counts_per_block() * layout.cluster_bytes;
  return layout.refcount_blocks <= kRefcountTableBytes / 8 && layout.l2_tables * 8 <= kL1Limit &&
         layout.file_bytes <= kRefcountTableBytes / 8 * covered &&
         layout.file_bytes < std::uint64_t{1} << bits;
}

/// Places what stands behind the refcount blocks, of which there are `layout.refcount_blocks`.
void place_rest(Qcow2Layout& layout, const LayoutInput& in) {
  const std::uint64_t cluster = layout.cluster_bytes;
  layout.l2_offset = layout.refcount_blocks_offset + layout.refcount_blocks * cluster;
  layout.reserve_offset = layout.l2_offset + layout.l2_tables * cluster;
  std::uint64_t offset = layout.reserve_offset + round_up(in.reserve_bytes, cluster);
  layout.runs.clear();
  for (const RunShape& shape : in.runs) {
    layout.runs.push_back({shape, offset});
    offset += round_up(shape.bytes, cluster);
  }
  layout.tail_offset = offset;
  layout.file_bytes = offset + kTailBytes;
}

}  // namespace

std::uint64_t Qcow2Layout::guest_clusters() const { return ceil_div(virtual_bytes, cluster_bytes); }

std::optional<Qcow2Layout> lay_out(const LayoutInput& in) {
  if (!is_possible(in)) return std::nullopt;
  Qcow2Layout layout;
  const std::uint64_t cluster = in.cluster_bytes;
  layout.virtual_bytes = in.virtual_bytes;
  layout.cluster_bytes = cluster;
  layout.l2_tables = ceil_div(layout.guest_clusters(), layout.entries_per_l2());
  layout.l1_offset = cluster;
  layout.refcount_table_offset = cluster + round_up(layout.l2_tables * 8, cluster);
  layout.refcount_blocks_offset = layout.refcount_table_offset + kRefcountTableBytes;
  std::uint64_t needed = 1;
  while (needed > layout.refcount_blocks) {  // the blocks count themselves too
    layout.refcount_blocks = needed;
    place_rest(layout, in);
    needed = ceil_div(layout.file_bytes / cluster, layout.counts_per_block());
  }
  if (!within_limits(layout)) return std::nullopt;
  return layout;
}

std::uint64_t default_reserve(std::uint64_t cluster_bytes) {
  return std::max<std::uint64_t>(64 << 20, 1024 * cluster_bytes);
}

}  // namespace v2vfs::convert
