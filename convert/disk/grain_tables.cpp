// SPDX-License-Identifier: MIT
#include "convert/disk/grain_tables.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kDirectoryLimit = std::uint64_t{8}
                                          << 20;  // entries: 256 TiB of 64 KiB grains
constexpr std::size_t kCachedBytes = 2 << 20;
constexpr std::uint32_t kZeroGrain = 1;
constexpr std::uint64_t kMarkerBytes = 12;

// seSparse: the top four bits of an entry say what it is.
constexpr unsigned kTypeShift = 60;
constexpr std::uint64_t kTableIsThere = 1;  // of the directory
enum SeSparseGrain : std::uint64_t { kNeverWritten = 0, kUnmapped = 1, kZeros = 2, kStored = 3 };
constexpr std::uint32_t kNoTable = 0xffffffff;  // an entry that is none

std::uint32_t decode_se_sparse(std::uint64_t entry) {
  if (entry == 0) return 0;
  const bool is_table = entry >> 32 == kTableIsThere << (kTypeShift - 32);
  const auto number = static_cast<std::uint32_t>(entry);
  return is_table && number < kNoTable - 1 ? number + 1 : kNoTable;
}

/// The number of a stored grain: its low 48 bits are the entry's bits 0 to 47 above the twelve bits
/// 48 to 59.
std::uint64_t se_sparse_number(std::uint64_t entry) {
  return (entry >> 48 & 0xfff) | (entry & 0xffffffffffff) << 12;
}

}  // namespace

GrainTables::GrainTables(inspect::SourceFile file, const SparseHeader& header)
    : file_(std::move(file)), header_(header), cache_(kCachedBytes / header.table_bytes()) {
  if (header_.table_count() > kDirectoryLimit) {
    throw file_error(
        EOPNOTSUPP, file_.name(), 0,
        fmt::format("a grain directory of {} entries is not served", header_.table_count()));
  }
  directory_ = read_directory(header_.directory_sector);
  if (header_.kind != SparseKind::hosted) check_own_places();
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
  const std::uint64_t bytes = entries * header_.entry_bytes();
  if (sector == 0 || !offset || !range_fits(*offset, bytes, file_.length())) {
    throw file_error(EIO, file_.name(), offset.value_or(file_.length()),
                     fmt::format("the grain directory (sector {}) lies outside the file", sector));
  }
  std::vector<std::byte> raw(bytes);
  file_.read(*offset, raw);
  std::vector<std::uint32_t> directory(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::byte* const entry = raw.data() + i * header_.entry_bytes();
    directory[i] = header_.kind == SparseKind::se_sparse
                       ? decode_se_sparse(load_little_endian<std::uint64_t>(entry))
                       : load_little_endian<std::uint32_t>(entry);
  }
  return directory;
}

/// Tables of 16 or 32 KiB in one place would let a small file take minutes to read.
void GrainTables::check_own_places() const {
  std::vector<std::uint32_t> sorted = directory_;
  std::ranges::sort(sorted);
  const auto first = std::ranges::upper_bound(sorted, 0u);
  const auto last = std::ranges::lower_bound(sorted, kNoTable);
  const auto twice = std::adjacent_find(first, last);
  if (twice == last) return;
  throw file_error(EIO, file_.name(), header_.directory_sector * kSectorBytes,
                   "two entries of the grain directory name one table");
}

std::uint64_t GrainTables::table_sector(std::uint64_t table) const {
  const std::uint64_t entry = directory_[table];
  if (header_.kind != SparseKind::se_sparse) return entry;
  return header_.tables_sector + (entry - 1) * (header_.table_bytes() / kSectorBytes);
}

GrainTables::TableKind GrainTables::table_kind(std::uint64_t table) const {
  if (directory_[table] == 0) {
    return !missing_.empty() && missing_[table] ? TableKind::damaged : TableKind::absent;
  }
  const std::uint64_t offset = table_sector(table) * kSectorBytes;
  bool is_inside = range_fits(offset, header_.table_bytes(), file_.length());
  if (header_.kind == SparseKind::se_sparse) {
    const std::uint64_t place = offset - header_.tables_sector * kSectorBytes;
    const std::uint64_t room = header_.tables_sectors * kSectorBytes;
    is_inside = is_inside && range_fits(place, header_.table_bytes(), room);
  }
  return is_inside ? TableKind::stored : TableKind::damaged;
}

GrainTables::Table GrainTables::read_table(std::uint64_t table) const {
  Table bytes(header_.table_bytes());
  file_.read(table_sector(table) * kSectorBytes, bytes);
  return bytes;
}

std::shared_ptr<const GrainTables::Table> GrainTables::cached(std::uint64_t table) const {
  return cache_.get(table, [&] { return std::make_shared<const Table>(read_table(table)); });
}

Grain GrainTables::grain_in(const Table& table, std::uint64_t index) const {
  return classify(index, entry_of(table, index));
}

Grain GrainTables::grain(std::uint64_t index) const {
  Grain grain;
  grains_from(index, {&grain, 1});
  return grain;
}

std::size_t GrainTables::grains_from(std::uint64_t first, std::span<Grain> out) const {
  const std::uint64_t table = first / header_.entries_per_table;
  const std::uint64_t left = header_.entries_per_table - first % header_.entries_per_table;
  const std::size_t count = std::min<std::uint64_t>(left, out.size());
  const TableKind kind = table_kind(table);
  if (kind == TableKind::stored) {
    const auto entries = cached(table);
    for (std::size_t i = 0; i < count; ++i) out[i] = grain_in(*entries, first + i);
  } else {
    const GrainKind all = kind == TableKind::absent ? GrainKind::hole : GrainKind::damaged;
    std::ranges::fill(out.first(count), Grain{all, 0});
  }
  return count;
}

void GrainTables::grains(std::uint64_t first, std::span<Grain> out) const {
  while (!out.empty()) {
    const std::uint64_t table = first / header_.entries_per_table;
    if (table_kind(table) != TableKind::stored) {
      const std::size_t count = grains_from(first, out);
      out = out.subspan(count);
      first += count;
      continue;
    }
    const Table entries = read_table(table);
    for (; !out.empty() && first / header_.entries_per_table == table; ++first) {
      out[0] = grain_in(entries, first);
      out = out.subspan(1);
    }
  }
}

GrainTables::Run GrainTables::run_at(std::uint64_t index, std::uint64_t last) const {
  const std::uint64_t per_table = header_.entries_per_table;
  const std::uint64_t table = index / per_table;
  const std::uint64_t end = std::min({(table + 1) * per_table, header_.grain_count(), last});
  switch (table_kind(table)) {
    case TableKind::absent:
      return {GrainKind::hole, end - index};
    case TableKind::damaged:
      return {GrainKind::damaged, end - index};
    case TableKind::stored:
      break;
  }
  const auto entries = cached(table);
  Run run{grain_in(*entries, index).kind, 1};
  while (index + run.count < end && grain_in(*entries, index + run.count).kind == run.kind) {
    ++run.count;
  }
  return run;
}

std::uint64_t GrainTables::entry_of(const Table& table, std::uint64_t index) const {
  const std::byte* const entry =
      table.data() + index % header_.entries_per_table * header_.entry_bytes();
  return header_.kind == SparseKind::se_sparse ? load_little_endian<std::uint64_t>(entry)
                                               : load_little_endian<std::uint32_t>(entry);
}

Grain GrainTables::classify(std::uint64_t index, std::uint64_t entry) const {
  if (entry == 0) return {};
  if (header_.kind == SparseKind::se_sparse) return classify_se_sparse(index, entry);
  if (entry == kZeroGrain && header_.has_zero_grains) return {GrainKind::zero, 0};
  return stored_at(index, entry);
}

Grain GrainTables::classify_se_sparse(std::uint64_t index, std::uint64_t entry) const {
  constexpr std::uint64_t kMostGrains = std::uint64_t{1} << 44;
  const std::uint64_t type = entry >> kTypeShift;
  if (type == kUnmapped || type == kZeros) return {GrainKind::zero, 0};
  const std::uint64_t number = se_sparse_number(entry);
  if (type != kStored || number >= kMostGrains) return {GrainKind::damaged, 0};
  return stored_at(index, header_.grains_sector + number * header_.grain_sectors);
}

Grain GrainTables::stored_at(std::uint64_t index, std::uint64_t sector) const {
  std::uint64_t bytes = kMarkerBytes + 1;  // the least that a deflated grain can be
  if (!header_.compressed) {
    // The last grain need not be there beyond the disk's end.
    const std::uint64_t start = index * header_.grain_bytes();
    bytes = std::min(header_.grain_bytes(), header_.capacity_bytes() - start);
  }
  const bool inside = range_fits(sector * kSectorBytes, bytes, file_.length());
  return {inside ? GrainKind::stored : GrainKind::damaged, sector};
}

}  // namespace v2vfs::convert
