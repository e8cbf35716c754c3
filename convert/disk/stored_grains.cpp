// SPDX-License-Identifier: MIT
#include "convert/disk/stored_grains.h"

#include <algorithm>
#include <limits>

#include "inspect/base/checked.h"

namespace v2vfs::convert {

StoredGrains::StoredGrains(std::vector<std::uint32_t> starts, std::vector<std::uint64_t> others,
                           std::uint64_t grain_sectors, bool is_compressed)
    : starts_(std::move(starts)),
      others_(std::move(others)),
      grain_sectors_(grain_sectors),
      is_compressed_(is_compressed) {
  std::ranges::sort(others_);
}

void StoredGrains::hide(std::uint32_t start) {
  hidden_.resize(starts_.size());
  auto rank = static_cast<std::size_t>(std::ranges::lower_bound(starts_, start) - starts_.begin());
  while (hidden_[rank]) ++rank;  // of several that share a place, each is hidden once
  hidden_[rank] = true;
}

std::uint64_t StoredGrains::sectors_of(std::uint32_t start, std::size_t& hint) const {
  if (!is_compressed_) return grain_sectors_;
  const auto is_next = [&](std::size_t rank) {
    return (rank == starts_.size() || starts_[rank] > start) &&
           (rank == 0 || starts_[rank - 1] <= start);
  };
  if (hint < starts_.size() && !is_next(hint)) ++hint;
  if (hint > starts_.size() || !is_next(hint)) {
    hint = static_cast<std::size_t>(std::ranges::upper_bound(starts_, start) - starts_.begin());
  }
  std::uint64_t end = start + longest();
  if (hint < starts_.size()) end = std::min<std::uint64_t>(end, starts_[hint]);
  const auto other = std::ranges::upper_bound(others_, start);
  if (other != others_.end()) end = std::min(end, *other);
  return end - start;
}

StoredGrains::Ranks StoredGrains::touching(std::uint64_t first, std::uint64_t last) const {
  const std::uint64_t earliest = first < longest() ? 0 : first - longest() + 1;
  const auto begin = std::ranges::lower_bound(starts_, earliest);
  const auto end = std::lower_bound(begin, starts_.end(), last);
  return {static_cast<std::size_t>(begin - starts_.begin()),
          static_cast<std::size_t>(end - starts_.begin())};
}

bool StoredGrains::count_uses(std::uint64_t first_cluster, std::uint64_t cluster_sectors,
                              std::span<std::uint16_t> counts) const {
  std::ranges::fill(counts, std::uint16_t{0});
  const std::uint64_t first = first_cluster * cluster_sectors;
  const std::uint64_t last = first + counts.size() * cluster_sectors;
  const Ranks ranks = touching(first, last);
  std::size_t hint = ranks.begin;
  for (std::size_t rank = ranks.begin; rank < ranks.end; ++rank) {
    if (is_hidden(rank)) continue;
    const std::uint64_t start = starts_[rank];
    const std::uint64_t end = start + sectors_of(starts_[rank], hint);
    if (end <= first) continue;
    const std::uint64_t from = std::max(start, first) / cluster_sectors - first_cluster;
    const std::uint64_t to = ceil_div(std::min(end, last), cluster_sectors) - first_cluster;
    for (std::uint64_t i = from; i < to; ++i) {
      if (counts[i] == std::numeric_limits<std::uint16_t>::max()) return false;
      ++counts[i];
    }
  }
  return true;
}

bool StoredGrains::has_overlap() const {
  return !is_compressed_ &&
         std::adjacent_find(starts_.begin(), starts_.end(), [&](std::uint64_t a, std::uint64_t b) {
           return b < a + grain_sectors_;
         }) != starts_.end();
}

std::vector<std::uint64_t> other_sectors(const GrainTables& tables, std::uint64_t file_bytes) {
  const SparseHeader& header = tables.header();
  std::vector<std::uint64_t> sectors = {header.directory_sector, header.redundant_directory_sector,
                                        header.footer_sector.value_or(0),
                                        ceil_div(file_bytes, kSectorBytes)};
  for (std::uint64_t table = 0; table < tables.table_count(); ++table) {
    if (tables.table_kind(table) != GrainTables::TableKind::stored) continue;
    sectors.push_back(tables.table_sector(table));
  }
  return sectors;
}

}  // namespace v2vfs::convert
