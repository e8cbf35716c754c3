// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "convert/disk/grain_scan.h"
#include "convert/disk/vmdk_sparse_header.h"

namespace v2vfs::convert {

/// Where the grains of one extent lie in its file, in the order of the file. It answers, for
/// deflated grains without reading any, how many sectors a grain may take: up to the next thing in
/// the file, and at most twice the grain, which is the most that a qcow2 entry can say. Too long a
/// bound is harmless as long as entries and refcounts both come from here. Thread safe once nothing
/// is hidden any more.
class StoredGrains {
 public:
  /// `starts` ascending; `others`: sectors where tables, directories, the footer and the file's end
  /// lie.
  StoredGrains(std::vector<std::uint32_t> starts, std::vector<std::uint64_t> others,
               std::uint64_t grain_sectors, bool is_compressed);

  std::size_t size() const { return starts_.size(); }
  std::uint32_t start(std::size_t rank) const { return starts_[rank]; }

  /// No entry of the qcow2 refers to one of the grains at `start`: its place still bounds its
  /// neighbour, and counts no use.
  void hide(std::uint32_t start);
  bool is_hidden(std::size_t rank) const { return !hidden_.empty() && hidden_[rank]; }

  /// Sectors that the grain at `start` may take. `hint` is a rank near it, and is set to the first
  /// rank behind it: walking grains in order costs no search.
  std::uint64_t sectors_of(std::uint32_t start, std::size_t& hint) const;

  /// The ranks whose grains may touch the sectors [first, last).
  struct Ranks {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  Ranks touching(std::uint64_t first, std::uint64_t last) const;

  /// Sets counts[i] to the number of grains that touch cluster first + i of the file. Returns false
  /// if one of them is more than 65,535.
  bool count_uses(std::uint64_t first_cluster, std::uint64_t cluster_sectors,
                  std::span<std::uint16_t> counts) const;

  /// True if two grains overlap, which only deflated ones may.
  bool has_overlap() const;

 private:
  std::uint64_t longest() const { return is_compressed_ ? 2 * grain_sectors_ : grain_sectors_; }

  std::vector<std::uint32_t> starts_;
  std::vector<std::uint64_t> others_;
  std::vector<bool> hidden_;  // by rank; empty: none
  std::uint64_t grain_sectors_;
  bool is_compressed_;
};

/// The sectors of `tables`' file that are no grains.
std::vector<std::uint64_t> other_sectors(const GrainTables& tables, std::uint64_t file_bytes);

}  // namespace v2vfs::convert
