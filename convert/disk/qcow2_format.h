// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

/// The parts of the qcow2 format (docs/interop/qcow2.txt of QEMU) that are written here.
namespace v2vfs::convert {

inline constexpr std::uint64_t kCopied = std::uint64_t{1} << 63;  // refcount is exactly one
inline constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;

/// An L1 entry, or the L2 entry of a cluster that lies at `offset` as it is.
constexpr std::uint64_t plain_entry(std::uint64_t offset) { return kCopied | offset; }

/// The L2 entry of a cluster that is a raw deflate stream at byte `offset`, in at most `sectors`
/// sectors of 512 bytes counted from the one that holds `offset` ("Compressed Clusters Descriptor":
/// the entry holds the sectors after the first).
constexpr std::uint64_t compressed_entry(std::uint64_t offset, std::uint64_t sectors,
                                         std::uint64_t cluster_bytes) {
  const unsigned width = 62 - (static_cast<unsigned>(std::countr_zero(cluster_bytes)) - 8);
  return kCompressed | ((sectors - 1) << width) | offset;
}

}  // namespace v2vfs::convert
