// SPDX-License-Identifier: MIT
#include "convert/disk/in_place_map.h"

#include <algorithm>

#include "convert/disk/qcow2_format.h"
#include "inspect/base/checked.h"

namespace v2vfs::convert {
namespace {

// Where the deflate stream of a grain begins: behind the marker (LBA, size) and the two bytes with
// which a zlib stream begins (RFC 1950). The trailer, Adler-32, is not seen by readers of the
// qcow2.
constexpr std::uint64_t kMarkerBytes = 12;
constexpr std::uint64_t kZlibHeaderBytes = 2;

bool size_fits(const SparseHeader& header) {
  const std::uint64_t least = header.compressed ? kUsualCluster : kSmallestCluster;
  return header.grain_bytes() >= least && header.grain_bytes() <= kLargestCluster;
}

/// The cluster that all extents agree on, or why there is none.
std::optional<std::uint64_t> common_cluster(const DiskSource& source, std::string& why_not) {
  std::optional<std::uint64_t> cluster;
  bool has_file = false;
  for (const Extent& extent : source.extents()) {
    has_file |= extent.file.has_value();
    if (!extent.sparse) continue;
    const SparseHeader& header = extent.sparse->header();
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
  } else if (extent.sparse) {
    const GrainScan& scan = extent.sparse->scanned();
    if (!scan.has_starts) why_not = "its grain tables overlap";
    if (scan.damaged_grains > scan.damaged.size()) why_not = "too much of it is damaged";
    if (!extent.sparse->header().compressed && !scan.is_aligned) {
      why_not = "its grains are not aligned in their file";
    }
  }
  return why_not.empty();
}

/// A deflated last grain that is none whole: QEMU refuses a compressed cluster that inflates to
/// less than a cluster.
std::optional<std::uint64_t> partial_grain(const Extent& extent) {
  const SparseHeader& header = extent.sparse->header();
  if (!header.compressed || extent.bytes % header.grain_bytes() == 0) return std::nullopt;
  return extent.bytes / header.grain_bytes();
}

std::unique_ptr<StoredGrains> take_grains(const Extent& extent) {
  const SparseHeader& header = extent.sparse->header();
  const GrainTables& tables = extent.sparse->tables();
  std::vector<std::uint32_t> starts = extent.sparse->take_starts();
  std::vector<std::uint64_t> others = other_sectors(tables, extent.file->length());
  // No entry refers to where it lies: its place bounds its neighbour, and counts no use.
  const auto partial = partial_grain(extent);
  if (const Grain last = partial ? tables.grain(*partial) : Grain{};
      last.kind == GrainKind::stored) {
    starts.erase(std::ranges::lower_bound(starts, last.sector));
    others.push_back(last.sector);
  }
  return std::make_unique<StoredGrains>(std::move(starts), std::move(others), header.grain_sectors,
                                        header.compressed);
}

}  // namespace

std::unique_ptr<InPlaceMap> InPlaceMap::make(DiskSource& source, std::string& why_not) {
  const auto cluster = common_cluster(source, why_not);
  if (!cluster) return nullptr;
  for (const Extent& extent : source.extents()) {
    if (!extent_fits(extent, *cluster, why_not)) return nullptr;
  }
  std::unique_ptr<InPlaceMap> map(new InPlaceMap(source, *cluster));
  for (const Part& part : map->parts_) {
    if (part.grains && part.grains->has_overlap()) why_not = "two of its grains lie on one place";
  }
  if (map->has_wide_refcounts()) why_not = "more than 65,535 of its grains share a cluster";
  return why_not.empty() ? std::move(map) : nullptr;
}

InPlaceMap::InPlaceMap(DiskSource& source, std::uint64_t cluster)
    : source_(source), cluster_(cluster) {
  l2_in_use_.resize(ceil_div(ceil_div(source.bytes(), cluster), cluster / sizeof(std::uint64_t)));
  for (std::uint32_t i = 0; i < source.extents().size(); ++i) add_part(source.extents()[i], i);
  std::ranges::sort(singles_);
  singles_.erase(std::unique(singles_.begin(), singles_.end()), singles_.end());
  for (const std::uint64_t single : singles_) mark_l2(single, 1);
  if (!singles_.empty()) shapes_.push_back({RunKind::single, 0, singles_.size() * cluster_});
}

void InPlaceMap::add_part(Extent& extent, std::uint32_t number) {
  Part part;
  part.extent = &extent;
  if (extent.file) {
    part.run = shapes_.size();
    shapes_.push_back(
        {RunKind::file, number, extent.sparse ? extent.file->length() : extent.bytes});
  }
  if (extent.sparse) {
    part.grains = take_grains(extent);
    add_singles(extent);
  } else if (extent.file) {
    mark_l2(extent.guest_offset / cluster_, ceil_div(extent.bytes, cluster_));
  }
  parts_.push_back(std::move(part));
}

void InPlaceMap::add_singles(const Extent& extent) {
  const std::uint64_t first = extent.guest_offset / cluster_;
  const std::uint64_t count = ceil_div(extent.bytes, cluster_);
  const GrainScan& scan = extent.sparse->scanned();
  for (const std::uint64_t grain : scan.damaged) {
    if (grain < count) singles_.push_back(first + grain);
  }
  if (const auto partial = partial_grain(extent)) singles_.push_back(first + *partial);
  for (std::uint64_t table = 0; table < scan.table_in_use.size(); ++table) {
    if (scan.table_in_use[table]) mark_l2(first + table * kEntriesPerTable, kEntriesPerTable);
  }
}

void InPlaceMap::mark_l2(std::uint64_t first_cluster, std::uint64_t count) {
  if (count == 0 || l2_in_use_.empty()) return;
  const std::uint64_t entries = cluster_ / sizeof(std::uint64_t);
  const std::uint64_t last =
      std::min<std::uint64_t>((first_cluster + count - 1) / entries, l2_in_use_.size() - 1);
  for (std::uint64_t table = first_cluster / entries; table <= last; ++table) {
    l2_in_use_[table] = true;
  }
}

bool InPlaceMap::has_wide_refcounts() const {
  std::vector<std::uint16_t> counts(1 << 16);
  for (const Part& part : parts_) {
    if (!part.grains) continue;
    const std::uint64_t clusters = ceil_div(part.extent->file->length(), cluster_);
    for (std::uint64_t first = 0; first < clusters; first += counts.size()) {
      if (!part.grains->count_uses(first, cluster_ / kSectorBytes, counts)) return true;
    }
  }
  return false;
}

const InPlaceMap::Part& InPlaceMap::part_at(std::uint64_t guest_offset) const {
  return parts_[static_cast<std::size_t>(&source_.extent_at(guest_offset) -
                                         source_.extents().data())];
}

void InPlaceMap::fill_l2(std::uint64_t first, const Qcow2Layout& layout,
                         std::span<std::uint64_t> out) const {
  std::ranges::fill(out, 0);
  std::uint64_t offset = first * cluster_;
  std::span<std::uint64_t> rest = out;
  while (!rest.empty() && offset < source_.bytes()) {
    const Part& part = part_at(offset);
    const std::uint64_t within = offset - part.extent->guest_offset;
    const std::size_t count =
        std::min<std::uint64_t>(ceil_div(part.extent->bytes - within, cluster_), rest.size());
    if (part.grains) {
      fill_sparse(part, layout.runs[*part.run].offset, within / cluster_, rest.first(count));
    } else if (part.run) {
      for (std::size_t i = 0; i < count; ++i) {
        rest[i] = plain_entry(layout.runs[*part.run].offset + within + i * cluster_);
      }
    }
    rest = rest.subspan(count);
    offset += count * cluster_;
  }
  fill_singles(first, layout, out);
}

void InPlaceMap::fill_sparse(const Part& part, std::uint64_t run_offset, std::uint64_t first_grain,
                             std::span<std::uint64_t> out) const {
  const SparseHeader& header = part.extent->sparse->header();
  const std::uint64_t skip = kZlibHeaderBytes + (header.has_markers ? kMarkerBytes : 0);
  std::vector<Grain> grains(out.size());
  part.extent->sparse->tables().grains(first_grain, grains);
  std::size_t hint = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (grains[i].kind != GrainKind::stored) continue;  // damaged ones are singles
    const std::uint64_t offset = run_offset + grains[i].sector * kSectorBytes;
    out[i] = header.compressed
                 ? compressed_entry(offset + skip, part.grains->sectors_of(grains[i].sector, hint),
                                    cluster_)
                 : plain_entry(offset);
  }
}

void InPlaceMap::fill_singles(std::uint64_t first, const Qcow2Layout& layout,
                              std::span<std::uint64_t> out) const {
  const auto begin = std::ranges::lower_bound(singles_, first);
  for (auto single = begin; single != singles_.end() && *single < first + out.size(); ++single) {
    const auto index = static_cast<std::uint64_t>(single - singles_.begin());
    out[*single - first] = plain_entry(layout.runs.back().offset + index * cluster_);
  }
}

void InPlaceMap::fill_refcounts(std::size_t run, std::uint64_t first,
                                std::span<std::uint16_t> out) const {
  const RunShape& shape = shapes_[run];
  const StoredGrains* grains =
      shape.kind == RunKind::file ? parts_[shape.extent].grains.get() : nullptr;
  if (grains) {
    grains->count_uses(first, cluster_ / kSectorBytes, out);
  } else {
    std::ranges::fill(out, std::uint16_t{1});
  }
}

const StoredGrains* InPlaceMap::deflated(std::size_t run) const {
  const RunShape& shape = shapes_[run];
  if (shape.kind != RunKind::file) return nullptr;
  const Part& part = parts_[shape.extent];
  const bool is_deflated = part.grains && part.extent->sparse->header().compressed;
  return is_deflated ? part.grains.get() : nullptr;
}

}  // namespace v2vfs::convert
