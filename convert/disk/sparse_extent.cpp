// SPDX-License-Identifier: MIT
#include "convert/disk/sparse_extent.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "convert/disk/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/deflate.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

// A grain marker: LBA of the grain u64, bytes of the zlib stream u32, then the stream.
constexpr std::uint64_t kMarkerBytes = 12;
constexpr std::size_t kInflatedBytes = std::size_t{4} << 20;  // of the cache
constexpr int kTablesInOneStretch = 16;

}  // namespace

SparseExtent::SparseExtent(inspect::SourceFile file)
    : file_(std::move(file)),
      tables_(file_, read_sparse_header(file_)),
      inflated_(std::max<std::size_t>(2, kInflatedBytes / header().grain_bytes())) {}

void SparseExtent::scan(bool want_starts, Digest& digest) {
  scan_ = scan_grains(tables_, file_.name(), want_starts, digest);
}

std::uint64_t SparseExtent::grain_bytes(std::uint64_t index) const {
  return std::min(header().grain_bytes(),
                  header().capacity_bytes() - index * header().grain_bytes());
}

void SparseExtent::read(std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t grain = header().grain_bytes();
  while (!out.empty()) {
    const std::uint64_t skip = offset % grain;
    const std::size_t count = std::min<std::uint64_t>(grain - skip, out.size());
    read_grain(offset / grain, skip, out.first(count));
    out = out.subspan(count);
    offset += count;
  }
}

void SparseExtent::read_grain(std::uint64_t index, std::uint64_t skip,
                              std::span<std::byte> out) const {
  const Grain grain = tables_.grain(index);
  switch (grain.kind) {
    case GrainKind::hole:
      std::memset(out.data(), 0, out.size());
      return;
    case GrainKind::damaged:
      fail_damaged(index);
    case GrainKind::stored:
      if (header().compressed) return read_deflated(index, grain.sector, skip, out);
      return file_.read(grain.sector * kSectorBytes + skip, out);
  }
}

void SparseExtent::fail_damaged(std::uint64_t index) const {
  const std::uint64_t table = index / kEntriesPerTable;
  const bool has_table = tables_.table_kind(table) == GrainTables::TableKind::stored;
  const std::uint64_t place = has_table ? tables_.table_sector(table) : header().directory_sector;
  const std::uint64_t entry = has_table ? index % kEntriesPerTable : table;
  throw file_error(
      EIO, file_.name(), place * kSectorBytes + entry * sizeof(std::uint32_t),
      fmt::format("the table's entry for the disk's bytes from {} of this extent on is "
                  "damaged",
                  index * header().grain_bytes()));
}

void SparseExtent::read_deflated(std::uint64_t index, std::uint32_t sector, std::uint64_t skip,
                                 std::span<std::byte> out) const {
  if (out.size() == header().grain_bytes()) return inflate(sector, index, out);
  const auto whole = inflated_.get(index, [&] {
    auto bytes = std::make_shared<std::vector<std::byte>>(header().grain_bytes());
    inflate(sector, index, *bytes);
    return bytes;
  });
  std::memcpy(out.data(), whole->data() + skip, out.size());
}

SparseExtent::Body SparseExtent::body_of(std::uint32_t sector,
                                         std::optional<std::uint64_t>& index) const {
  const std::uint64_t start = sector * kSectorBytes;
  const std::uint64_t most = 2 * header().grain_bytes();
  if (!header().has_markers) return {start, std::min(most, file_.length() - start)};
  std::array<std::byte, kMarkerBytes> marker;
  file_.read(start, marker);
  const auto lba = load_little_endian<std::uint64_t>(marker.data());
  const auto bytes = load_little_endian<std::uint32_t>(marker.data() + 8);
  if (bytes == 0 || bytes > most || !range_fits(start + kMarkerBytes, bytes, file_.length())) {
    throw file_error(EIO, file_.name(), start, fmt::format("a grain of {} deflated bytes", bytes));
  }
  index = lba / header().grain_sectors;
  const bool is_known = lba % header().grain_sectors == 0 && *index < header().grain_count();
  if (const Grain here = is_known ? tables_.grain(*index) : Grain{};
      here.kind != GrainKind::stored || here.sector != sector) {
    throw file_error(
        EIO, file_.name(), start,
        fmt::format("the grain here says that it belongs to sector {} of the disk; the "
                    "tables say otherwise",
                    lba));
  }
  return {start + kMarkerBytes, bytes};
}

void SparseExtent::inflate(std::uint32_t sector, std::optional<std::uint64_t> index,
                           std::span<std::byte> out) const {
  const Body body = body_of(sector, index);
  const auto deflated = std::make_unique_for_overwrite<std::byte[]>(body.bytes);
  const std::span<std::byte> in(deflated.get(), body.bytes);
  file_.read(body.offset, in);
  const auto produced = inflate_zlib(in, out);
  if (!produced || *produced < (index ? grain_bytes(*index) : out.size())) {
    throw file_error(EIO, file_.name(), body.offset,
                     produced
                         ? "the grain here inflates to less than a grain"
                         : "the grain here is damaged: it does not inflate, or not to what its "
                           "checksum says");
  }
  std::memset(out.data() + *produced, 0, out.size() - *produced);
}

Stretch SparseExtent::stretch_at(std::uint64_t offset) const {
  const std::uint64_t grain = header().grain_bytes();
  const std::uint64_t count = header().grain_count();
  std::uint64_t index = offset / grain;
  const bool is_hole = tables_.grain(index).kind == GrainKind::hole;
  int tables = 0;
  while (index < count) {
    if (index % kEntriesPerTable == 0) {
      const auto kind = tables_.table_kind(index / kEntriesPerTable);
      if (is_hole && kind == GrainTables::TableKind::absent) {
        index += kEntriesPerTable;
        continue;
      }
      if (++tables > kTablesInOneStretch) break;
    }
    if ((tables_.grain(index).kind == GrainKind::hole) != is_hole) break;
    ++index;
  }
  return {std::min(index * grain, header().capacity_bytes()), is_hole};
}

}  // namespace v2vfs::convert
