// SPDX-License-Identifier: MIT
#include "convert/disk/qcow2_view.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr int kCountedStretches = 1 << 18;

/// Bytes of [begin, end) of `file` that are no hole; what a very fragmented file has beyond some
/// hundred thousand pieces counts as data.
std::uint64_t data_bytes(const inspect::SourceFile& file, std::uint64_t begin, std::uint64_t end) {
  std::uint64_t sum = 0;
  for (int i = 0; i < kCountedStretches && begin < end; ++i) {
    begin = std::min(file.next_data(begin), end);
    const std::uint64_t hole = std::min(file.next_hole(begin), end);
    sum += hole - begin;
    begin = hole;
  }
  return sum + (end - begin);
}

/// The guest's bytes that are no hole, of a disk that is laid one to one. What the layers of a
/// chain have is not known of each alone: it is walked over, with the same bound.
std::uint64_t guest_data_bytes(const DiskSource& source) {
  std::uint64_t sum = 0;
  if (source.layers().size() > 1) {
    std::uint64_t at = 0;
    for (int i = 0; i < kCountedStretches && at < source.bytes(); ++i) {
      const Stretch stretch = source.stretch_at(at);
      if (!stretch.is_hole) sum += stretch.end - at;
      at = stretch.end;
    }
    return sum + (source.bytes() - at);
  }
  for (const Extent* extent : source.extents()) {
    if (extent->sparse) {
      sum += extent->sparse->scanned().stored_bytes;
    } else if (extent->image) {
      sum += extent->image->stored_bytes();
    } else if (extent->file) {
      const std::uint64_t begin = extent->file_offset;
      sum +=
          data_bytes(*extent->file, begin, std::min(begin + extent->bytes, extent->file->length()));
    } else if (extent->type == ExtentType::barred) {
      sum += extent->bytes;
    }
  }
  return sum;
}

}  // namespace

Qcow2View::Qcow2View(std::unique_ptr<DiskSource> source, std::unique_ptr<InPlaceMap> map,
                     Qcow2Layout layout, bool verify_grains)
    : source_(std::move(source)),
      map_(std::move(map)),
      layout_(std::move(layout)),
      tables_(layout_, map_.get()),
      checks_(layout_.runs.size()) {
  add_regions();
  for (std::size_t run = 0; verify_grains && map_ && run < checks_.size(); ++run) {
    const StoredGrains* grains = map_->deflated(run);
    if (!grains) continue;
    const Extent& extent = *source_->extents()[layout_.runs[run].shape.extent];
    checks_[run] = std::make_unique<GrainCheck>(*extent.sparse, *grains);
  }
  allocated_bytes_ = count_allocated();
}

void Qcow2View::add_regions() {
  // Most of the refcount table is padding.
  const std::uint64_t table_end =
      layout_.refcount_table_offset + round_up(layout_.refcount_blocks * 8, layout_.cluster_bytes);
  regions_ = {{0, RegionKind::header},
              {layout_.l1_offset, RegionKind::l1},
              {layout_.refcount_table_offset, RegionKind::refcount_table},
              {table_end, RegionKind::hole},
              {layout_.refcount_blocks_offset, RegionKind::refcount_blocks},
              {layout_.l2_offset, RegionKind::l2},
              {layout_.reserve_offset, RegionKind::hole}};
  for (std::size_t run = 0; run < layout_.runs.size(); ++run) {
    regions_.push_back({layout_.runs[run].offset, RegionKind::run, run});
  }
  regions_.push_back({layout_.tail_offset, RegionKind::hole});
}

const Qcow2View::Region& Qcow2View::region_at(std::uint64_t offset) const {
  return *std::prev(std::ranges::upper_bound(regions_, offset, {}, &Region::start));
}

std::uint64_t Qcow2View::end_of(const Region& region) const {
  return &region == &regions_.back() ? layout_.file_bytes : (&region + 1)->start;
}

void Qcow2View::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const Region& region = region_at(offset);
    const std::size_t count = std::min<std::uint64_t>(end_of(region) - offset, out.size());
    read_region(region, offset - region.start, out.first(count));
    out = out.subspan(count);
    offset += count;
  }
}

void Qcow2View::read_region(const Region& region, std::uint64_t offset, std::span<std::byte> out) {
  switch (region.kind) {
    case RegionKind::header:
      return tables_.read_header(offset, out);
    case RegionKind::l1:
      return tables_.read_l1(offset, out);
    case RegionKind::refcount_table:
      return tables_.read_refcount_table(offset, out);
    case RegionKind::refcount_blocks:
      return tables_.read_refcount_blocks(offset, out);
    case RegionKind::l2:
      return tables_.read_l2(offset, out);
    case RegionKind::hole:
      std::memset(out.data(), 0, out.size());
      return;
    case RegionKind::run:
      return read_run(region.run, offset, out);
  }
}

void Qcow2View::read_run(std::size_t run, std::uint64_t offset, std::span<std::byte> out) {
  const RunShape& shape = layout_.runs[run].shape;
  const std::uint64_t left = offset < shape.bytes ? shape.bytes - offset : 0;
  const std::size_t there = std::min<std::uint64_t>(left, out.size());
  switch (shape.kind) {
    case RunKind::guest:
      source_->read(offset, out.first(there));
      break;
    case RunKind::file:
      read_file(run, offset, out.first(there));
      break;
    case RunKind::single:
      read_single(offset, out.first(there));
      break;
  }
  std::memset(out.data() + there, 0, out.size() - there);
}

void Qcow2View::read_file(std::size_t run, std::uint64_t offset, std::span<std::byte> out) {
  if (out.empty()) return;
  if (checks_[run]) checks_[run]->require(offset, out.size());
  const Extent& extent = *source_->extents()[layout_.runs[run].shape.extent];
  extent.file->read(extent.file_offset + offset, out);
}

void Qcow2View::read_single(std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t cluster = layout_.cluster_bytes;
  while (!out.empty()) {
    const std::uint64_t skip = offset % cluster;
    const std::size_t count = std::min<std::uint64_t>(cluster - skip, out.size());
    const std::uint64_t guest = map_->single(offset / cluster) * cluster + skip;
    const std::uint64_t left = guest < source_->bytes() ? source_->bytes() - guest : 0;
    const std::size_t there = std::min<std::uint64_t>(left, count);
    source_->read(guest, out.first(there));
    std::memset(out.data() + there, 0, count - there);
    out = out.subspan(count);
    offset += count;
  }
}

Stretch Qcow2View::stretch_at(std::uint64_t offset) {
  const Region& region = region_at(offset);
  switch (region.kind) {
    case RegionKind::hole:
      return {end_of(region), true};
    case RegionKind::l2:
      return stretch_of_l2(offset);
    case RegionKind::run: {
      const Stretch stretch = stretch_of_run(region.run, offset - region.start);
      return {std::min(region.start + stretch.end, end_of(region)), stretch.is_hole};
    }
    default:
      return {end_of(region), false};
  }
}

Stretch Qcow2View::stretch_of_l2(std::uint64_t offset) const {
  std::uint64_t table = (offset - layout_.l2_offset) / layout_.cluster_bytes;
  const bool in_use = tables_.l2_in_use(table);
  while (table < layout_.l2_tables && tables_.l2_in_use(table) == in_use) ++table;
  return {layout_.l2_offset + table * layout_.cluster_bytes, !in_use};
}

Stretch Qcow2View::stretch_of_run(std::size_t run, std::uint64_t offset) const {
  const RunShape& shape = layout_.runs[run].shape;
  if (offset >= shape.bytes) return {round_up(shape.bytes, layout_.cluster_bytes), true};
  switch (shape.kind) {
    case RunKind::guest:
      return source_->stretch_at(offset);
    case RunKind::single:
      return {shape.bytes, false};
    case RunKind::file:
      break;
  }
  const Extent& extent = *source_->extents()[shape.extent];
  const std::uint64_t place = extent.file_offset + offset;
  const std::uint64_t data = extent.file->next_data(place);
  const std::uint64_t end = data > place ? data : extent.file->next_hole(place);
  return {std::min(end - extent.file_offset, shape.bytes), data > place};
}

std::uint64_t Qcow2View::count_allocated() const {
  std::uint64_t sum =
      (tables_.l2_tables_in_use() + layout_.refcount_blocks) * layout_.cluster_bytes;
  sum += layout_.refcount_table_offset;
  sum += round_up(layout_.refcount_blocks * 8, layout_.cluster_bytes);
  for (const Run& run : layout_.runs) {
    if (run.shape.kind == RunKind::single) sum += run.shape.bytes;
    if (run.shape.kind != RunKind::file) continue;
    const Extent& extent = *source_->extents()[run.shape.extent];
    sum += data_bytes(*extent.file, extent.file_offset, extent.file_offset + run.shape.bytes);
  }
  return map_ ? sum : sum + guest_data_bytes(*source_);
}

VerifyReport Qcow2View::verify(const std::function<bool()>& stop) {
  VerifyReport report;
  for (const Extent* extent : source_->extents()) {
    if (extent->sparse) verify_extent(*extent->sparse, stop, report);
  }
  return report;
}

}  // namespace v2vfs::convert
