// SPDX-License-Identifier: MIT
#include "convert/disk/grain_tables.h"

#include <algorithm>
#include <cerrno>

#include "convert/disk/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kDirectoryLimit = std::uint64_t{8}
                                          << 20;  // entries: 256 TiB of 64 KiB grains
constexpr std::uint64_t kTableBytes = sizeof(GrainTables::Table);
constexpr std::size_t kCachedTables = 1024;  // 2 MiB
constexpr std::uint32_t kZeroGrain = 1;
constexpr std::uint64_t kMarkerBytes = 12;

}  // namespace

GrainTables::GrainTables(inspect::SourceFile file, const SparseHeader& header)
    : file_(std::move(file)), header_(header), cache_(kCachedTables) {
  if (header_.table_count() > kDirectoryLimit) {
    throw file_error(
        EOPNOTSUPP, file_.name(), 0,
        fmt::format("a grain directory of {} entries is not served", header_.table_count()));
  }
  directory_ = read_directory(header_.directory_sector);
  // Streams leave out the tables of empty ranges; hosted disks have them all from the start.
  if (!header_.has_redundant_copy || header_.compressed) return;
  const std::vector<std::uint32_t> copy = read_directory(header_.redundant_directory_sector);
  for (std::size_t i = 0; i < directory_.size(); ++i) {
    if (directory_[i] != 0 || copy[i] == 0) continue;
    missing_.resize(directory_.size());
    missing_[i] = true;
  }
}

std::vector<std::uint32_t> GrainTables::read_directory(std::uint64_t sector) const {
  const std::uint64_t entries = header_.table_count();
  if (entries == 0) return {};
  const Checked offset = checked_mul(sector, kSectorBytes);
  const std::uint64_t bytes = entries * sizeof(std::uint32_t);
  if (sector == 0 || !offset || !range_fits(*offset, bytes, file_.length())) {
    throw file_error(EIO, file_.name(), offset.value_or(file_.length()),
                     fmt::format("the grain directory (sector {}) lies outside the file", sector));
  }
  std::vector<std::uint32_t> directory(entries);
  file_.read(*offset, std::as_writable_bytes(std::span(directory)));
  for (std::uint32_t& entry : directory) entry = from_little_endian(entry);
  return directory;
}

GrainTables::TableKind GrainTables::table_kind(std::uint64_t table) const {
  const std::uint32_t sector = directory_[table];
  if (sector == 0) {
    return !missing_.empty() && missing_[table] ? TableKind::damaged : TableKind::absent;
  }
  return range_fits(sector * kSectorBytes, kTableBytes, file_.length()) ? TableKind::stored
                                                                        : TableKind::damaged;
}

GrainTables::Table GrainTables::read_table(std::uint64_t table) const {
  Table entries;
  file_.read(directory_[table] * kSectorBytes, std::as_writable_bytes(std::span(entries)));
  for (std::uint32_t& entry : entries) entry = from_little_endian(entry);
  return entries;
}

Grain GrainTables::grain(std::uint64_t index) const {
  const std::uint64_t table = index / kEntriesPerTable;
  switch (table_kind(table)) {
    case TableKind::absent:
      return {};
    case TableKind::damaged:
      return {GrainKind::damaged, 0};
    case TableKind::stored:
      break;
  }
  const auto entries =
      cache_.get(table, [&] { return std::make_shared<const Table>(read_table(table)); });
  return classify(index, (*entries)[index % kEntriesPerTable]);
}

void GrainTables::grains(std::uint64_t first, std::span<Grain> out) const {
  while (!out.empty()) {
    const std::uint64_t table = first / kEntriesPerTable;
    const std::uint64_t skip = first % kEntriesPerTable;
    const std::size_t count = std::min<std::uint64_t>(kEntriesPerTable - skip, out.size());
    const TableKind kind = table_kind(table);
    if (kind == TableKind::stored) {
      const Table entries = read_table(table);
      for (std::size_t i = 0; i < count; ++i) out[i] = classify(first + i, entries[skip + i]);
    } else {
      const GrainKind all = kind == TableKind::absent ? GrainKind::hole : GrainKind::damaged;
      std::ranges::fill(out.first(count), Grain{all, 0});
    }
    out = out.subspan(count);
    first += count;
  }
}

Grain GrainTables::classify(std::uint64_t index, std::uint32_t entry) const {
  if (entry == 0) return {};
  if (entry == kZeroGrain && header_.has_zero_grains) return {};
  std::uint64_t bytes = kMarkerBytes + 1;  // the least that a deflated grain can be
  if (!header_.compressed) {
    // The last grain need not be there beyond the disk's end.
    const std::uint64_t start = index * header_.grain_bytes();
    bytes = std::min(header_.grain_bytes(), header_.capacity_bytes() - start);
  }
  const bool inside = range_fits(entry * kSectorBytes, bytes, file_.length());
  return {inside ? GrainKind::stored : GrainKind::damaged, entry};
}

}  // namespace v2vfs::convert
