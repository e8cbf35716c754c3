// SPDX-License-Identifier: MIT
#include "tests/support/delta_writer.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

namespace v2vfs::test {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kEntries = 4096;
constexpr std::uint64_t kCowdTableSectors = kEntries * 4 / kSector;
constexpr std::uint64_t kSeTableSectors = kEntries * 8 / kSector;
constexpr std::uint64_t kSeDirectory = 4096;  // sector

std::uint64_t up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

template <typename Number>
void put(std::vector<std::byte>& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);  // test hosts are little-endian
}

}  // namespace

DeltaWriter::DeltaWriter(const Content& content, const VmdkOptions& options,
                         const std::string& path)
    : content_(content),
      options_(options),
      out_(path, OutputFile::Open::create),
      grain_count_((content.bytes() + grain_bytes() - 1) / grain_bytes()),
      directory_((grain_count_ + kEntries - 1) / kEntries) {}

void DeltaWriter::write() {
  collect();
  if (options_.shuffle) shuffle();
  if (is_se_sparse()) {
    write_se_sparse();
  } else {
    write_cowd();
  }
  spoil();
}

void DeltaWriter::collect() {
  for (std::uint64_t table = 0; table < directory_.size(); ++table) {
    const std::uint64_t offset = table * kEntries * grain_bytes();
    const std::uint64_t bytes = std::min(kEntries * grain_bytes(), content_.bytes() - offset);
    if (content_.has_data(offset, bytes)) collect_table(table);
  }
  table_ranks_.resize(tables_.size());
  std::iota(table_ranks_.begin(), table_ranks_.end(), 0);
}

void DeltaWriter::collect_table(std::uint64_t table) {
  Table entries(kEntries);
  const std::uint64_t first = table * kEntries;
  const std::uint64_t count = std::min(kEntries, grain_count_ - first);
  for (std::uint64_t i = 0; i < count; ++i) entries[i] = entry_of(first + i);
  tables_.push_back(std::move(entries));
  directory_[table] = tables_.size();
}

DeltaWriter::Entry DeltaWriter::entry_of(std::uint64_t grain) {
  const std::uint64_t offset = grain * grain_bytes();
  const std::uint64_t bytes = std::min(grain_bytes(), content_.bytes() - offset);
  if (!content_.has_data(offset, bytes)) return {};
  std::vector<std::byte> there(bytes);
  content_.read(offset, there);
  const bool is_zero = std::ranges::all_of(there, [](std::byte b) { return b == std::byte{0}; });
  if (is_zero && is_se_sparse()) return {grain % 2 ? Entry::unmapped : Entry::zeros, grain};
  grains_.push_back(grain);
  return {Entry::stored, grains_.size() - 1};
}

/// Grains and tables in the file in another order than on the disk.
void DeltaWriter::shuffle() {
  std::ranges::reverse(table_ranks_);
  for (std::size_t i = 0; i + 5 < grains_.size(); i += 6) std::swap(grains_[i], grains_[i + 5]);
  for (Table& table : tables_) {
    for (Entry& entry : table) {
      const std::uint64_t place = entry.number % 6;
      const std::uint64_t group = entry.number - place;
      if (entry.kind != Entry::stored || group + 5 >= grains_.size()) continue;
      if (place == 0 || place == 5) entry.number = group + 5 - place;
    }
  }
}

void DeltaWriter::put_numbers(std::uint64_t sector, const std::vector<std::uint64_t>& numbers) {
  const std::size_t size = is_se_sparse() ? 8 : 4;
  std::vector<std::byte> bytes(up(numbers.size() * size, kSector));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::memcpy(bytes.data() + i * size, &numbers[i], size);
  }
  out_.write(sector * kSector, bytes);
}

std::uint64_t DeltaWriter::encode(const Entry& entry, std::uint64_t grains_sector) const {
  const std::uint64_t sector = grains_sector + entry.number * options_.grain_sectors;
  if (!is_se_sparse()) return entry.kind == Entry::stored ? sector : 0;
  if (entry.kind == Entry::hole) return 0;
  const std::uint64_t place = (entry.number & 0xfff) << 48 | entry.number >> 12;
  return static_cast<std::uint64_t>(entry.kind) << 60 | place;
}

void DeltaWriter::write_tables(std::uint64_t first_sector, std::uint64_t grains_sector) {
  tables_sector_ = first_sector;
  const std::uint64_t step = is_se_sparse() ? kSeTableSectors : kCowdTableSectors;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    std::vector<std::uint64_t> numbers;
    for (const Entry& entry : tables_[i]) numbers.push_back(encode(entry, grains_sector));
    put_numbers(first_sector + table_ranks_[i] * step, numbers);
  }
  std::vector<std::uint64_t> numbers;
  for (const std::uint64_t table : directory_) {
    const std::uint64_t rank = table == 0 ? 0 : table_ranks_[table - 1];
    const std::uint64_t place =
        is_se_sparse() ? std::uint64_t{1} << 60 | rank : first_sector + rank * step;
    numbers.push_back(table == 0 ? 0 : place);
  }
  put_numbers(directory_sector_, numbers);
}

void DeltaWriter::write_grains(std::uint64_t first_sector) {
  std::vector<std::byte> bytes(grain_bytes());
  for (std::size_t i = 0; i < grains_.size(); ++i) {
    const std::uint64_t offset = grains_[i] * grain_bytes();
    const std::uint64_t there = std::min(grain_bytes(), content_.bytes() - offset);
    content_.read(offset, std::span(bytes).first(there));
    out_.write((first_sector + i * options_.grain_sectors) * kSector,
               std::span(bytes).first(options_.pad_last_grain ? bytes.size() : there));
  }
}

void DeltaWriter::write_cowd() {
  directory_sector_ = 4;
  const std::uint64_t tables = directory_sector_ + up(directory_.size() * 4, kSector) / kSector;
  const std::uint64_t grains =
      up(tables + tables_.size() * kCowdTableSectors, options_.grain_sectors) +
      (options_.shift_grains ? 1 : 0);
  std::vector<std::byte> h(4 * kSector);
  put(h, 0, std::uint32_t{0x44574f43});
  put(h, 4, std::uint32_t{1});
  put(h, 8, std::uint32_t{3});
  put(h, 12, static_cast<std::uint32_t>(content_.bytes() / kSector));
  put(h, 16, static_cast<std::uint32_t>(options_.grain_sectors));
  put(h, 20, static_cast<std::uint32_t>(directory_sector_));
  put(h, 24, static_cast<std::uint32_t>(directory_.size()));
  put(h, 28, static_cast<std::uint32_t>(grains + grains_.size() * options_.grain_sectors));
  out_.write(0, h);
  out_.resize(grains * kSector);
  write_tables(tables, grains);
  write_grains(grains);
}

void DeltaWriter::write_se_sparse() {
  directory_sector_ = kSeDirectory;
  const std::uint64_t directory_sectors =
      up(std::max<std::size_t>(1, directory_.size()) * 8, kSector) / kSector;
  const std::uint64_t tables = up(kSeDirectory + directory_sectors, 2048);
  const std::uint64_t tables_sectors = directory_.size() * kSeTableSectors;
  const std::uint64_t grains = up(tables + tables_sectors, 2048) + 4096;
  write_se_sparse_headers(directory_sectors, tables, tables_sectors);
  out_.resize(grains * kSector);
  write_tables(tables, grains);
  write_grains(grains);
}

void DeltaWriter::write_se_sparse_headers(std::uint64_t directory_sectors,
                                          std::uint64_t tables_sector,
                                          std::uint64_t tables_sectors) {
  const std::uint64_t behind = up(tables_sector + tables_sectors, 2048);
  const std::uint64_t fields[] = {0xcafebabe,
                                  0x200000001,
                                  content_.bytes() / kSector,
                                  8,
                                  kSeTableSectors,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  1,
                                  1,
                                  2,
                                  2,
                                  2048,
                                  2048,
                                  kSeDirectory,
                                  directory_sectors,
                                  tables_sector,
                                  tables_sectors,
                                  behind,
                                  2048,
                                  behind + 2048,
                                  2048,
                                  behind + 4096,
                                  std::max<std::uint64_t>(grains_.size(), 1) * 8};
  std::vector<std::byte> h(2 * kSector);
  std::memcpy(h.data(), fields, sizeof fields);
  put(h, kSector, std::uint64_t{0xcafecafe});
  put(h, kSector + 8, static_cast<std::uint64_t>(tables_.size()));
  put(h, kSector + 16, std::uint64_t{7});
  if (options_.damage == Damage::open_journal) put(h, kSector + 24, std::uint64_t{1});
  out_.write(0, h);
}

void DeltaWriter::spoil() {
  const std::uint64_t size = is_se_sparse() ? 8 : 4;
  const std::uint64_t outside =
      is_se_sparse() ? std::uint64_t{3} << 60 | 0x7fffffffffff : 0xfffffff0;
  const auto put_at = [&](std::uint64_t at, std::uint64_t value) {
    out_.write(at, std::as_bytes(std::span(&value, 1)).first(size));
  };
  if (options_.damage == Damage::table_past_end) {
    put_at(directory_sector_ * kSector,
           is_se_sparse() ? std::uint64_t{1} << 60 | 0xfffffff0 : 0xfffffff0);
  }
  if (options_.damage == Damage::same_table) {
    std::uint64_t first = 0;
    out_.read(directory_sector_ * kSector,
              std::as_writable_bytes(std::span(&first, 1)).first(size));
    put_at(directory_sector_ * kSector + size, first);
  }
  if (options_.damage != Damage::entry_past_end) return;
  const std::uint64_t table = tables_sector_ * kSector + table_ranks_.at(0) * kEntries * size;
  const auto second = std::ranges::find_if(tables_.at(0), [](const Entry& entry) {
    return entry.kind == Entry::stored && entry.number == 1;
  });
  put_at(table + static_cast<std::uint64_t>(second - tables_[0].begin()) * size, outside);
}

}  // namespace v2vfs::test
