// SPDX-License-Identifier: MIT
#include "convert/disk/sparse_extent.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "convert/disk/vmdk_delta_header.h"
#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/deflate.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

// A grain marker: LBA of the grain u64, bytes of the zlib stream u32, then the stream.
constexpr std::uint64_t kMarkerBytes = 12;
constexpr std::size_t kInflatedBytes = std::size_t{4} << 20;  // of the cache
constexpr std::size_t kGrainsAtOnce = 256;
constexpr int kTablesInOnePiece = 16;

PieceKind kind_of(GrainKind kind) {
  switch (kind) {
    case GrainKind::hole:
      return PieceKind::absent;
    case GrainKind::zero:
      return PieceKind::zeros;
    default:
      return PieceKind::data;
  }
}

}  // namespace

SparseExtent::SparseExtent(inspect::SourceFile file, SparseKind kind)
    : file_(std::move(file)),
      tables_(file_, read_header(file_, kind)),
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
  std::array<Grain, kGrainsAtOnce> grains;
  while (!out.empty()) {
    const std::uint64_t skip = offset % grain;
    const std::uint64_t wanted = ceil_div(skip + out.size(), grain);
    const auto some = std::span(grains).first(std::min<std::uint64_t>(wanted, grains.size()));
    const std::size_t found = tables_.grains_from(offset / grain, some);
    const std::size_t count = std::min<std::uint64_t>(found * grain - skip, out.size());
    read_grains(offset / grain, some.first(found), skip, out.first(count));
    out = out.subspan(count);
    offset += count;
  }
}

void SparseExtent::read_grains(std::uint64_t first, std::span<const Grain> grains,
                               std::uint64_t skip, std::span<std::byte> out) const {
  for (std::size_t i = 0; !out.empty(); skip = 0) {
    const std::size_t run = raw_run(grains.subspan(i));
    const std::size_t count =
        std::min<std::uint64_t>(run * header().grain_bytes() - skip, out.size());
    read_run(first + i, grains[i], skip, out.first(count));
    out = out.subspan(count);
    i += run;
  }
}

/// How many grains from the first one on lie one behind the other as they are: small grains are not
/// read one by one.
std::size_t SparseExtent::raw_run(std::span<const Grain> grains) const {
  std::size_t run = 1;
  if (grains[0].kind != GrainKind::stored || header().compressed) return run;
  while (run < grains.size() && grains[run].kind == GrainKind::stored &&
         grains[run].sector == grains[0].sector + run * header().grain_sectors) {
    ++run;
  }
  return run;
}

void SparseExtent::read_run(std::uint64_t index, const Grain& grain, std::uint64_t skip,
                            std::span<std::byte> out) const {
  switch (grain.kind) {
    case GrainKind::hole:
    case GrainKind::zero:
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
  const std::uint64_t table = index / header().entries_per_table;
  const bool has_table = tables_.table_kind(table) == GrainTables::TableKind::stored;
  const std::uint64_t place = has_table ? tables_.table_sector(table) : header().directory_sector;
  const std::uint64_t entry = has_table ? index % header().entries_per_table : table;
  throw file_error(
      EIO, file_.name(), place * kSectorBytes + entry * header().entry_bytes(),
      fmt::format("the table's entry for the disk's bytes from {} of this extent on is "
                  "damaged",
                  index * header().grain_bytes()));
}

void SparseExtent::read_deflated(std::uint64_t index, std::uint64_t sector, std::uint64_t skip,
                                 std::span<std::byte> out) const {
  if (out.size() == header().grain_bytes()) return inflate(sector, index, out);
  const auto whole = inflated_.get(index, [&] {
    auto bytes = std::make_shared<std::vector<std::byte>>(header().grain_bytes());
    inflate(sector, index, *bytes);
    return bytes;
  });
  std::memcpy(out.data(), whole->data() + skip, out.size());
}

SparseExtent::Body SparseExtent::body_of(std::uint64_t sector,
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

void SparseExtent::inflate(std::uint64_t sector, std::optional<std::uint64_t> index,
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

Piece SparseExtent::piece_at(std::uint64_t offset, std::uint64_t limit) const {
  const std::uint64_t grain = header().grain_bytes();
  const std::uint64_t last = std::min(ceil_div(limit, grain), header().grain_count());
  std::uint64_t index = offset / grain;
  GrainTables::Run run = tables_.run_at(index, last);
  const PieceKind kind = kind_of(run.kind);
  for (int tables = 0; kind_of(run.kind) == kind; run = tables_.run_at(index, last)) {
    const auto table = tables_.table_kind(index / header().entries_per_table);
    if (table != GrainTables::TableKind::absent) ++tables;
    index += run.count;
    if (index >= last || tables == kTablesInOnePiece) break;
  }
  return {std::min(index * grain, header().capacity_bytes()), kind};
}

}  // namespace v2vfs::convert
