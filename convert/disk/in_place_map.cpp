// SPDX-License-Identifier: MIT
#include "convert/disk/in_place_map.h"

#include <algorithm>

#include "convert/disk/in_place_fit.h"
#include "convert/disk/qcow2_format.h"
#include "inspect/base/checked.h"

namespace v2vfs::convert {
namespace {

// Where the deflate stream of a grain begins: behind the marker (LBA, size) and the two bytes with
// which a zlib stream begins (RFC 1950). The trailer, Adler-32, is not seen by readers of the
// qcow2.
constexpr std::uint64_t kMarkerBytes = 12;
constexpr std::uint64_t kZlibHeaderBytes = 2;

/// A deflated last grain that is none whole: QEMU refuses a compressed cluster that inflates to
/// less than a cluster.
std::optional<std::uint64_t> partial_grain(const Extent& extent) {
  const SparseHeader& header = extent.sparse->header();
  if (!header.compressed || extent.bytes % header.grain_bytes() == 0) return std::nullopt;
  return extent.bytes / header.grain_bytes();
}

bool is_stored(const Grain& grain) { return grain.kind == GrainKind::stored; }

}  // namespace

std::unique_ptr<InPlaceMap> InPlaceMap::make(DiskSource& source, std::string& why_not) {
  const auto cluster = in_place_cluster(source, why_not);
  if (!cluster) return nullptr;
  std::unique_ptr<InPlaceMap> map(new InPlaceMap(source, *cluster));
  for (const Part& part : map->parts_) {
    if (part.grains && part.grains->has_overlap()) why_not = "two of its grains lie on one place";
  }
  if (map->has_wide_refcounts()) why_not = "more than 65,535 of its grains share a cluster";
  return why_not.empty() ? std::move(map) : nullptr;
}

InPlaceMap::InPlaceMap(DiskSource& source, std::uint64_t cluster)
    : cluster_(cluster), cover_(source, cluster) {
  l2_in_use_.resize(ceil_div(ceil_div(source.bytes(), cluster), cluster / sizeof(std::uint64_t)));
  std::uint32_t number = 0;
  for (std::size_t layer = 0; layer < source.layers().size(); ++layer) {
    for (std::size_t i = 0; i < source.layers()[layer].extents().size(); ++i, ++number) {
      add_part(*source.extents()[number], layer, number);
    }
  }
  std::ranges::sort(singles_);
  singles_.erase(std::unique(singles_.begin(), singles_.end()), singles_.end());
  for (const std::uint64_t single : singles_) mark_l2(single, 1);
  if (!singles_.empty()) shapes_.push_back({RunKind::single, 0, singles_.size() * cluster_});
}

void InPlaceMap::add_part(Extent& extent, std::size_t layer, std::uint32_t number) {
  Part part;
  part.extent = &extent;
  part.layer = layer;
  if (extent.file) {
    part.run = shapes_.size();
    shapes_.push_back(
        {RunKind::file, number, extent.sparse ? extent.file->length() : extent.bytes});
  }
  if (extent.sparse) {
    part.grains = take_grains(extent, layer);
    add_singles(extent, layer);
  } else if (extent.file) {
    mark_l2(extent.guest_offset / cluster_, ceil_div(extent.bytes, cluster_));
  }
  parts_.push_back(std::move(part));
}

std::unique_ptr<StoredGrains> InPlaceMap::take_grains(Extent& extent, std::size_t layer) const {
  const SparseHeader& header = extent.sparse->header();
  const GrainTables& tables = extent.sparse->tables();
  auto grains = std::make_unique<StoredGrains>(extent.sparse->take_starts(),
                                               other_sectors(tables, extent.file->length()),
                                               header.grain_sectors, header.compressed);
  if (layer > 0) hide_covered(extent, layer, *grains);
  // The last grain may be a single, and one more may lie beyond the extent's end.
  const std::uint64_t first = extent.guest_offset / cluster_;
  const std::uint64_t end = ceil_div(extent.bytes, cluster_);
  for (std::uint64_t i = partial_grain(extent).value_or(end); i < header.grain_count(); ++i) {
    const Grain grain = tables.grain(i);
    if (grain.kind != GrainKind::stored || (i < end && cover_.is_covered(layer, first + i)))
      continue;
    grains->hide(static_cast<std::uint32_t>(grain.sector));
  }
  return grains;
}

/// Takes out the grains of a parent that a layer above has too.
void InPlaceMap::hide_covered(const Extent& extent, std::size_t layer, StoredGrains& grains) const {
  const SparseHeader& header = extent.sparse->header();
  std::vector<Grain> some;
  const std::uint64_t count = ceil_div(extent.bytes, cluster_);
  for (std::uint64_t first = 0; first < count; first += some.size()) {
    some.resize(std::min<std::uint64_t>(header.entries_per_table, count - first));
    extent.sparse->tables().grains(first, some);
    if (std::ranges::none_of(some, is_stored)) continue;
    const std::vector<bool> hidden =
        cover_.covered(layer, {extent.guest_offset / cluster_ + first, some.size()});
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (hidden[i] && is_stored(some[i])) {
        grains.hide(static_cast<std::uint32_t>(some[i].sector));
      }
    }
  }
}

void InPlaceMap::add_singles(const Extent& extent, std::size_t layer) {
  const std::uint64_t first = extent.guest_offset / cluster_;
  const std::uint64_t count = ceil_div(extent.bytes, cluster_);
  const SparseHeader& header = extent.sparse->header();
  const GrainScan& scan = extent.sparse->scanned();
  const auto add = [&](std::uint64_t grain) {
    if (grain < count && !cover_.is_covered(layer, first + grain))
      singles_.push_back(first + grain);
  };
  for (const std::uint64_t grain : scan.damaged) add(grain);
  const auto partial = partial_grain(extent);
  if (partial && extent.sparse->tables().grain(*partial).kind == GrainKind::stored) add(*partial);
  for (std::uint64_t table = 0; table < scan.table_in_use.size(); ++table) {
    if (!scan.table_in_use[table]) continue;
    mark_l2(first + table * header.entries_per_table, header.entries_per_table);
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

/// From the lowest layer to the topmost, each over what is there.
void InPlaceMap::fill_l2(std::uint64_t first, const Qcow2Layout& layout,
                         std::span<std::uint64_t> out) const {
  std::ranges::fill(out, 0);
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    fill_part(*part, layout, first, out);
  }
  fill_singles(first, layout, out);
}

void InPlaceMap::fill_part(const Part& part, const Qcow2Layout& layout, std::uint64_t first,
                           std::span<std::uint64_t> out) const {
  const Overlap overlap = overlap_of(*part.extent, cluster_, first, out.size());
  const auto some = out.subspan(overlap.in_window, overlap.count);
  if (some.empty()) return;
  if (part.grains) {
    return fill_sparse(part, layout.runs[*part.run].offset, overlap.in_extent, some);
  }
  if (!part.run) {
    std::ranges::fill(some, 0);
    return;
  }
  for (std::size_t i = 0; i < some.size(); ++i) {
    some[i] = plain_entry(layout.runs[*part.run].offset + (overlap.in_extent + i) * cluster_);
  }
}

void InPlaceMap::fill_sparse(const Part& part, std::uint64_t run_offset, std::uint64_t first_grain,
                             std::span<std::uint64_t> out) const {
  const SparseHeader& header = part.extent->sparse->header();
  const std::uint64_t skip = kZlibHeaderBytes + (header.has_markers ? kMarkerBytes : 0);
  std::vector<Grain> grains(out.size());
  part.extent->sparse->tables().grains(first_grain, grains);
  std::size_t hint = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (grains[i].kind == GrainKind::hole) continue;  // as it is below
    out[i] = 0;
    if (grains[i].kind != GrainKind::stored) continue;  // zeros; damaged ones are singles
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
  const Part* part = part_of(run);
  if (part && part->grains) {
    part->grains->count_uses(first, cluster_ / kSectorBytes, out);
    return;
  }
  std::ranges::fill(out, std::uint16_t{1});
  if (!part || part->layer == 0) return;
  const std::vector<bool> hidden =
      cover_.covered(part->layer, {part->extent->guest_offset / cluster_ + first, out.size()});
  for (std::size_t i = 0; i < out.size(); ++i) out[i] -= hidden[i];
}

const InPlaceMap::Part* InPlaceMap::part_of(std::size_t run) const {
  const RunShape& shape = shapes_[run];
  return shape.kind == RunKind::file ? &parts_[shape.extent] : nullptr;
}

const StoredGrains* InPlaceMap::deflated(std::size_t run) const {
  const Part* part = part_of(run);
  const bool is_deflated = part && part->grains && part->extent->sparse->header().compressed;
  return is_deflated ? part->grains.get() : nullptr;
}

}  // namespace v2vfs::convert
