// SPDX-License-Identifier: MIT
#include "convert/disk/grain_scan.h"

#include <algorithm>

#include "convert/disk/byte_order.h"
#include "inspect/base/log.h"

namespace v2vfs::convert {
namespace {

constexpr int kLoggedDamages = 8;

/// Two directory entries with one table would let a small file name billions of grains. It also
/// bounds the memory for starts by what the file really holds.
bool has_shared_tables(const GrainTables& tables) {
  std::vector<std::uint32_t> sectors = tables.directory();
  if (!std::ranges::is_sorted(sectors)) std::ranges::sort(sectors);
  const auto first = std::ranges::upper_bound(sectors, 0u);
  return std::adjacent_find(first, sectors.end(), [](std::uint64_t a, std::uint64_t b) {
           return b < a + sizeof(GrainTables::Table) / kSectorBytes;
         }) != sectors.end();
}

class Scanner {
 public:
  Scanner(const GrainTables& tables, std::string_view name, bool want_starts, Digest& digest)
      : tables_(tables), header_(tables.header()), name_(name), digest_(digest) {
    result_.has_starts = want_starts && !has_shared_tables(tables);
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
    const std::uint64_t first = table * kEntriesPerTable;
    const std::uint64_t count =
        std::min<std::uint64_t>(kEntriesPerTable, header_.grain_count() - first);
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
    digest_.add(std::as_bytes(std::span(entries)));
    for (std::uint64_t i = 0; i < count; ++i) {
      const Grain grain = tables_.classify(first + i, entries[i]);
      if (grain.kind == GrainKind::hole) continue;
      if (grain.kind == GrainKind::damaged) {
        damaged_entry(tables_.table_sector(table) * kSectorBytes + i * sizeof entries[i],
                      entries[i]);
      }
      add(first + i, grain);
    }
  }

  void add(std::uint64_t index, const Grain& grain) {
    result_.table_in_use[index / kEntriesPerTable] = true;
    result_.stored_bytes +=
        std::min(header_.grain_bytes(), header_.capacity_bytes() - index * header_.grain_bytes());
    if (grain.kind == GrainKind::damaged) {
      ++result_.damaged_grains;
      if (result_.damaged.size() < kDamageLimit) result_.damaged.push_back(index);
      return;
    }
    ++result_.stored_grains;
    if (result_.has_starts) result_.starts.push_back(grain.sector);
    if (grain.sector % header_.grain_sectors != 0) result_.is_aligned = false;
  }

  void damaged_table(std::uint64_t table, std::uint64_t first, std::uint64_t count) {
    if (may_log()) {
      log::error(
          "{}: the grain table {} ({}) of the directory at sector {} {}; its {} grains are "
          "damaged",
          name_, table, tables_.table_sector(table), header_.directory_sector,
          tables_.table_sector(table) == 0 ? "is missing, and its redundant copy is not"
                                           : "lies outside the file",
          count);
    }
    for (std::uint64_t i = 0; i < count; ++i) add(first + i, {GrainKind::damaged, 0});
  }

  void damaged_entry(std::uint64_t offset, std::uint32_t entry) {
    if (may_log()) {
      log::error("{}, byte {}: a grain table's entry points to sector {}, outside the file", name_,
                 offset, entry);
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
