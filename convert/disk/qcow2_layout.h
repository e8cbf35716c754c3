// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// Where everything in a computed qcow2 lies. Pure: no I/O, and no position depends on which
/// clusters are allocated, so that the same source is laid the same way at every mount.
namespace v2vfs::convert {

inline constexpr std::uint64_t kRefcountTableBytes = 8 << 20;  // the most that QEMU takes
inline constexpr std::uint64_t kTailBytes = 8 << 20;
inline constexpr std::uint64_t kSmallestCluster = 4 << 10;
inline constexpr std::uint64_t kLargestCluster = 2 << 20;  // the most that QEMU takes
inline constexpr std::uint64_t kUsualCluster = 64 << 10;

enum class RunKind {
  guest,   // bytes of the guest's disk, from the beginning on
  file,    // bytes of an extent's file
  single,  // clusters that cannot be served as they lie, one behind the other
};

/// A range of clusters that show one thing.
struct RunShape {
  RunKind kind = RunKind::guest;
  std::uint32_t extent = 0;  // RunKind::file
  std::uint64_t bytes = 0;   // without the padding to a whole cluster
  bool operator==(const RunShape&) const = default;
};

struct Run {
  RunShape shape;
  std::uint64_t offset = 0;  // in the qcow2, a multiple of the cluster
  bool operator==(const Run&) const = default;
};

struct LayoutInput {
  std::uint64_t virtual_bytes = 0;
  std::uint64_t cluster_bytes = kUsualCluster;
  std::uint64_t reserve_bytes = 0;  // rounded up to a cluster
  std::vector<RunShape> runs;
};

/// Positions and sizes in bytes, all of them multiples of the cluster, in this order:
/// header | L1 | refcount table | refcount blocks | L2 tables | reserve | runs | tail.
struct Qcow2Layout {
  std::uint64_t virtual_bytes = 0;
  std::uint64_t cluster_bytes = 0;
  std::uint64_t l1_offset = 0;
  std::uint64_t refcount_table_offset = 0;
  std::uint64_t refcount_blocks_offset = 0;
  std::uint64_t refcount_blocks = 0;  // they cover the whole file, each one cluster
  std::uint64_t l2_offset = 0;
  std::uint64_t l2_tables = 0;  // they cover the whole virtual size, each one cluster
  std::uint64_t reserve_offset = 0;
  std::vector<Run> runs;
  std::uint64_t tail_offset = 0;
  std::uint64_t file_bytes = 0;
  bool operator==(const Qcow2Layout&) const = default;

  std::uint64_t runs_offset() const { return runs.empty() ? tail_offset : runs.front().offset; }
  std::uint64_t guest_clusters() const;
  std::uint64_t entries_per_l2() const { return cluster_bytes / 8; }
  std::uint64_t counts_per_block() const { return cluster_bytes / 2; }
};

/// nullopt where QEMU's limits do not allow it (L1 32 MiB, refcount table 8 MiB, the width of a
/// compressed cluster's offset): a larger cluster may do.
std::optional<Qcow2Layout> lay_out(const LayoutInput& input);

/// The larger of 64 MiB and 1,024 clusters.
std::uint64_t default_reserve(std::uint64_t cluster_bytes);

/// The layout as text, version 1, and back; nullopt for a text that is none, or whose positions
/// contradict each other.
std::string layout_text(const Qcow2Layout& layout);
std::optional<Qcow2Layout> parse_layout_text(const std::string& text);

}  // namespace v2vfs::convert
