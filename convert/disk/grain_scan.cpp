// SPDX-License-Identifier: MIT
#include "convert/disk/grain_scan.h"

#include <algorithm>

#include "inspect/base/byte_order.h"
#include "inspect/base/log.h"

namespace v2vfs::convert {
namespace {

constexpr int kLoggedDamages = 8;

/// Two directory entries with one table would let a small file name billions of grains. It also
/// bounds the memory for starts by what the file really holds.
bool has_shared_tables(const GrainTables& tables) {
  const std::uint64_t sectors_of_table = tables.header().table_bytes() / kSectorBytes;
  std::vector<std::uint32_t> sectors = tables.directory();
  if (!std::ranges::is_sorted(sectors)) std::ranges::sort(sectors);
  const auto first = std::ranges::upper_bound(sectors, 0u);
  return std::adjacent_find(first, sectors.end(), [&](std::uint64_t a, std::uint64_t b) {
           return b < a + sectors_of_table;
         }) != sectors.end();
}

/// seSparse has more than 32 bits of sectors, and so small grains that 4 bytes for each would be a
/// thousandth of the disk.
bool can_have_starts(const GrainTables& tables) {
  return tables.header().kind != SparseKind::se_sparse && !has_shared_tables(tables);
}

class Scanner {
 public:
  Scanner(const GrainTables& tables, std::string_view name, bool want_starts, Digest& digest)
      : tables_(tables), header_(tables.header()), name_(name), digest_(digest) {
    result_.has_starts = want_starts && can_have_starts(tables);
    result_.table_in_use.resize(tables.table_count());
  }

  GrainScan run() {
    digest_.add(std::as_bytes(std::span(tables_.directory())));
    for (std::uint64_t table = 0; table < tables_.table_count(); ++table) scan_table(table);
    if (result_.damaged_grains > 0) {
      log::error("{}: {} grains are damaged; reading them is an error", name_,
                 result_.damaged_grains);
    }
    if (!std::ranges::is_sorted(result_.starts)) std::ranges::sort(result_.starts);
    return std::move(result_);
  }

 private:
  void scan_table(std::uint64_t table) {
    const std::uint64_t first = table * header_.entries_per_table;
    const std::uint64_t count =
        std::min<std::uint64_t>(header_.entries_per_table, header_.grain_count() - first);
    switch (tables_.table_kind(table)) {
      case GrainTables::TableKind::absent:
        return;
      case GrainTables::TableKind::damaged:
        damaged_table(table, first, count);
        return;
      case GrainTables::TableKind::stored:
        scan_entries(table, first, count);
    }
  }

  void scan_entries(std::uint64_t table, std::uint64_t first, std::uint64_t count) {
    const GrainTables::Table entries = tables_.read_table(table);
    digest_.add(entries);
    for (std::uint64_t i = 0; i < count; ++i) {
      const Grain grain = tables_.grain_in(entries, first + i);
      if (grain.kind == GrainKind::hole || grain.kind == GrainKind::zero) continue;
      if (grain.kind == GrainKind::damaged) {
        damaged_entry(tables_.table_sector(table) * kSectorBytes + i * header_.entry_bytes(),
                      grain.sector);
      }
      add(first + i, grain);
    }
  }

  void add(std::uint64_t index, const Grain& grain) {
    result_.table_in_use[index / header_.entries_per_table] = true;
    result_.stored_bytes +=
        std::min(header_.grain_bytes(), header_.capacity_bytes() - index * header_.grain_bytes());
    if (grain.kind == GrainKind::damaged) {
      ++result_.damaged_grains;
      if (result_.damaged.size() < kDamageLimit) result_.damaged.push_back(index);
      return;
    }
    ++result_.stored_grains;
    if (result_.has_starts) result_.starts.push_back(static_cast<std::uint32_t>(grain.sector));
    if (grain.sector % header_.grain_sectors != 0) result_.is_aligned = false;
  }

  void damaged_table(std::uint64_t table, std::uint64_t first, std::uint64_t count) {
    if (may_log()) {
      log::error(
          "{}: the grain table {} ({}) of the directory at sector {} {}; its {} grains are "
          "damaged",
          name_, table, tables_.directory()[table], header_.directory_sector,
          tables_.directory()[table] == 0 ? "is missing, and its redundant copy is not"
                                          : "lies outside the file",
          count);
    }
    for (std::uint64_t i = 0; i < count; ++i) add(first + i, {GrainKind::damaged, 0});
  }

  void damaged_entry(std::uint64_t offset, std::uint64_t sector) {
    if (may_log()) {
      log::error(
          "{}, byte {}: a grain table's entry (sector {}) points outside the file, or is none",
          name_, offset, sector);
    }
  }

  bool may_log() { return logged_++ < kLoggedDamages; }

  const GrainTables& tables_;
  const SparseHeader& header_;
  std::string_view name_;
  Digest& digest_;
  int logged_ = 0;
  GrainScan result_;
};

}  // namespace

GrainScan scan_grains(const GrainTables& tables, std::string_view name, bool want_starts,
                      Digest& digest) {
  return Scanner(tables, name, want_starts, digest).run();
}

}  // namespace v2vfs::convert
