// SPDX-License-Identifier: MIT
#include "tests/support/sparse_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

namespace v2vfs::test {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kTableSectors = 4;
constexpr std::uint64_t kDescriptorSectors = 20;
constexpr std::uint64_t kAtEnd = ~std::uint64_t{0};

std::uint64_t sectors_of(std::uint64_t bytes) { return (bytes + kSector - 1) / kSector; }
std::uint64_t up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

template <typename Number>
void put(std::vector<std::byte>& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);  // test hosts are little-endian
}

bool is_stream(const VmdkOptions& options) { return options.type == VmdkType::stream_optimized; }

}  // namespace

SparseWriter::SparseWriter(const Content& content, std::uint64_t begin, std::uint64_t end,
                           const VmdkOptions& options, const std::string& path)
    : content_(content),
      begin_(begin),
      end_(end),
      options_(options),
      out_(path, OutputFile::Open::create),
      grain_count_((end - begin + options.grain_sectors * kSector - 1) /
                   (options.grain_sectors * kSector)),
      table_count_((grain_count_ + 511) / 512),
      tables_(table_count_),
      directory_(table_count_) {
  for (Table& table : tables_) table.fill(0);
}

void SparseWriter::put_sectors(std::uint64_t sector, const void* bytes, std::size_t count) {
  out_.write(sector * kSector, {static_cast<const std::byte*>(bytes), count});
  const std::uint64_t end = (sector + sectors_of(count)) * kSector;
  if (out_.length() < end) out_.resize(end);
}

void SparseWriter::put_header(std::uint64_t sector, std::uint64_t directory) {
  std::vector<std::byte> h(kSector);
  std::uint32_t flags = 1;
  if (is_stream(options_)) flags |= 1u << 16 | 1u << 17;
  if (redundant_) flags |= 2;
  if (options_.zero_grains) flags |= 4;
  put(h, 0, std::uint32_t{0x564d444b});
  put(h, 4, std::uint32_t{is_stream(options_) ? 3u : options_.zero_grains ? 2u : 1u});
  put(h, 8, flags);
  put(h, 12, std::uint64_t{(end_ - begin_) / kSector});
  put(h, 20, std::uint64_t{options_.grain_sectors});
  put(h, 28, std::uint64_t{descriptor_sectors_ ? 1u : 0u});
  put(h, 36, descriptor_sectors_);
  put(h, 44, std::uint32_t{512});
  put(h, 48, redundant_);
  put(h, 56, directory);
  put(h, 64, overhead_);
  std::memcpy(h.data() + 73, options_.damage == Damage::bad_newlines ? "\n \n\n" : "\n \r\n", 4);
  put(h, 77, std::uint16_t{is_stream(options_) ? std::uint16_t{1} : std::uint16_t{0}});
  put_sectors(sector, h.data(), h.size());
}

void SparseWriter::write(const std::string& descriptor) {
  if (!descriptor.empty()) {
    descriptor_sectors_ = kDescriptorSectors;
    put_sectors(1, descriptor.data(), descriptor.size());
  }
  next_ = 1 + descriptor_sectors_;
  if (is_stream(options_)) {
    write_stream();
  } else {
    write_hosted();
  }
  spoil_file();
}

bool SparseWriter::is_stored(std::uint64_t grain, bool& is_zero_grain) const {
  const std::uint64_t bytes = options_.grain_sectors * kSector;
  const std::uint64_t offset = begin_ + grain * bytes;
  is_zero_grain = false;
  if (!content_.has_data(offset, std::min(bytes, end_ - offset))) return false;
  if (!options_.zero_grains) return true;
  is_zero_grain =
      std::ranges::all_of(grain_bytes(grain), [](std::byte b) { return b == std::byte{0}; });
  return !is_zero_grain;
}

std::vector<std::byte> SparseWriter::grain_bytes(std::uint64_t grain) const {
  const std::uint64_t whole = options_.grain_sectors * kSector;
  const std::uint64_t offset = begin_ + grain * whole;
  const std::uint64_t there = std::min(whole, end_ - offset);
  std::vector<std::byte> bytes(options_.pad_last_grain ? whole : there);
  content_.read(offset, std::span(bytes).first(there));
  return bytes;
}

/// Those with data, in the order in which they are written.
std::vector<std::uint64_t> SparseWriter::grains() const {
  std::vector<std::uint64_t> result;
  for (std::uint64_t grain = 0; grain < grain_count_; ++grain) {
    const std::uint64_t bytes = options_.grain_sectors * kSector;
    if (grain % 512 == 0) {
      const std::uint64_t offset = begin_ + grain * bytes;
      if (!content_.has_data(offset, std::min(512 * bytes, end_ - offset))) {
        grain += 511;
        continue;
      }
    }
    bool is_zero_grain = false;
    if (is_stored(grain, is_zero_grain) || is_zero_grain) result.push_back(grain);
  }
  if (options_.shuffle) {
    for (std::size_t i = 0; i + 5 < result.size(); i += 6) std::swap(result[i], result[i + 5]);
  }
  return result;
}

void SparseWriter::put_marker(std::uint64_t value, std::uint32_t size, std::uint32_t type) {
  std::vector<std::byte> marker(kSector);
  put(marker, 0, value);
  put(marker, 8, size);
  put(marker, 12, type);
  put_sectors(next_++, marker.data(), marker.size());
}

void SparseWriter::write_deflated(std::uint64_t grain) {
  const std::vector<std::byte> bytes = grain_bytes(grain);
  uLongf deflated = compressBound(bytes.size());
  std::vector<std::byte> out(12 + deflated);
  compress2(reinterpret_cast<Bytef*>(out.data() + 12), &deflated,
            reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 6);
  out.resize(12 + deflated);
  put(out, 0, std::uint64_t{grain * options_.grain_sectors});
  put(out, 8, static_cast<std::uint32_t>(deflated));
  tables_[grain / 512][grain % 512] = static_cast<std::uint32_t>(next_);
  stored_sectors_.push_back(next_);
  put_sectors(next_, out.data(), out.size());
  next_ += sectors_of(out.size());
}

void SparseWriter::write_raw_grain(std::uint64_t grain) {
  const std::vector<std::byte> bytes = grain_bytes(grain);
  tables_[grain / 512][grain % 512] = static_cast<std::uint32_t>(next_);
  stored_sectors_.push_back(next_);
  put_sectors(next_, bytes.data(), bytes.size());
  next_ += options_.grain_sectors;
}

void SparseWriter::write_table(std::uint64_t table) {
  put_marker(kTableSectors, 0, 1);
  directory_[table] = static_cast<std::uint32_t>(next_);
  put_sectors(next_, tables_[table].data(), sizeof(Table));
  next_ += kTableSectors;
}

void SparseWriter::write_stream() {
  next_ = overhead_;
  std::vector<bool> in_use(table_count_);
  std::uint64_t table = 0;
  for (const std::uint64_t grain : grains()) {
    // A table follows its grains; out of order they all come at the end.
    if (!options_.shuffle && options_.damage == Damage::none && grain / 512 != table) {
      if (in_use[table]) write_table(table);
      in_use[table] = false;
      table = grain / 512;
    }
    in_use[grain / 512] = true;
    bool is_zero_grain = false;
    if (is_stored(grain, is_zero_grain)) {
      write_deflated(grain);
    } else {
      tables_[grain / 512][grain % 512] = 1;
    }
  }
  spoil_entries();
  for (std::uint64_t i = 0; i < table_count_; ++i) {
    if (in_use[i] || options_.damage == Damage::many_references) write_table(i);
  }
  if (options_.damage == Damage::table_past_end) directory_.at(0) = 0xfffffff0;
  write_directory_and_footer();
}

void SparseWriter::write_directory_and_footer() {
  const std::uint64_t sectors = sectors_of(directory_.size() * 4);
  put_marker(sectors, 0, 2);
  const std::uint64_t directory = next_;
  std::vector<std::byte> bytes(std::max<std::uint64_t>(1, sectors) * kSector);
  std::ranges::copy(std::as_bytes(std::span(directory_)), bytes.begin());
  put_sectors(next_, bytes.data(), bytes.size());
  next_ += bytes.size() / kSector;
  put_header(0, options_.directory_in_footer ? kAtEnd : directory);
  if (options_.directory_in_footer) {
    put_marker(1, 0, 3);
    put_header(next_++, directory);
  }
  put_marker(0, 0, 0);
}

void SparseWriter::put_tables(std::uint64_t directory_sector, bool is_copy) {
  const std::uint64_t first = directory_sector + sectors_of(table_count_ * 4);
  for (std::uint64_t i = 0; i < table_count_; ++i) {
    directory_[i] = static_cast<std::uint32_t>(first + i * kTableSectors);
    if (std::ranges::all_of(tables_[i], [](std::uint32_t e) { return e == 0; })) continue;
    put_sectors(directory_[i], tables_[i].data(), sizeof(Table));
  }
  if (!is_copy && table_count_ > 0) {
    if (options_.damage == Damage::table_past_end) directory_[0] = 0xfffffff0;
    if (options_.damage == Damage::missing_table) directory_[0] = 0;
  }
  put_sectors(directory_sector, directory_.data(), directory_.size() * 4);
}

void SparseWriter::write_hosted() {
  const std::uint64_t tables = sectors_of(table_count_ * 4) + table_count_ * kTableSectors;
  redundant_ = next_;
  const std::uint64_t directory = redundant_ + tables;
  overhead_ = up(directory + tables, options_.grain_sectors);
  next_ = overhead_ + (options_.shift_grains ? 1 : 0);
  out_.resize(overhead_ * kSector);
  for (const std::uint64_t grain : grains()) {
    bool is_zero_grain = false;
    if (is_stored(grain, is_zero_grain)) {
      write_raw_grain(grain);
    } else {
      tables_[grain / 512][grain % 512] = 1;
    }
  }
  spoil_entries();
  put_tables(redundant_, true);
  put_tables(directory, false);
  put_header(0, directory);
}

void SparseWriter::spoil_entries() {
  std::vector<std::uint32_t*> stored;
  for (Table& table : tables_) {
    for (std::uint32_t& entry : table) {
      if (entry > 1) stored.push_back(&entry);
    }
  }
  if (options_.damage == Damage::many_references) {
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(grain_count_, 66000); ++i) {
      tables_[i / 512][i % 512] = *stored.at(0);
    }
  }
  if (options_.damage == Damage::entry_past_end) *stored.at(1) = 0xfffffff0;
  if (options_.damage == Damage::same_place) *stored.at(1) = *stored.at(0);
}

void SparseWriter::spoil_file() {
  if (options_.damage == Damage::no_footer) out_.resize(out_.length() - 3 * kSector);
  if (options_.damage == Damage::flipped_bit) {
    const std::uint64_t end = stored_sectors_.size() > 2 ? stored_sectors_.at(2) : next_;
    const std::uint64_t at = (stored_sectors_.at(1) * kSector + end * kSector) / 2;
    std::byte byte{};
    out_.read(at, {&byte, 1});
    byte ^= std::byte{0x10};
    out_.write(at, {&byte, 1});
  }
  if (options_.damage == Damage::wrong_marker) {
    const std::uint64_t lba = 0;
    out_.write(stored_sectors_.at(1) * kSector, std::as_bytes(std::span(&lba, 1)));
  }
}

}  // namespace v2vfs::test
