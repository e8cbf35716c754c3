// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/output_file.h"
#include "tests/support/vmdk_writer.h"

namespace v2vfs::test {

/// Writes one sparse extent: the content's bytes [begin, end).
class SparseWriter {
 public:
  SparseWriter(const Content& content, std::uint64_t begin, std::uint64_t end,
               const VmdkOptions& options, const std::string& path);
  /// `descriptor`: embedded; empty: none.
  void write(const std::string& descriptor);

 private:
  using Table = std::array<std::uint32_t, 512>;

  void write_stream();
  void write_hosted();
  void write_deflated(std::uint64_t grain);
  void write_raw_grain(std::uint64_t grain);
  void write_table(std::uint64_t table);
  void write_directory_and_footer();
  void put_tables(std::uint64_t directory_sector, bool is_copy);
  void put_header(std::uint64_t sector, std::uint64_t directory);
  void put_marker(std::uint64_t value, std::uint32_t size, std::uint32_t type);
  void put_sectors(std::uint64_t sector, const void* bytes, std::size_t count);
  bool is_stored(std::uint64_t grain, bool& is_zero_grain) const;
  std::vector<std::uint64_t> grains() const;
  std::vector<std::byte> grain_bytes(std::uint64_t grain) const;
  void spoil_entries();
  void spoil_file();

  const Content& content_;
  std::uint64_t begin_;
  std::uint64_t end_;
  VmdkOptions options_;
  OutputFile out_;
  std::uint64_t grain_count_;
  std::uint64_t table_count_;
  std::uint64_t next_ = 0;  // sector
  std::uint64_t redundant_ = 0;
  std::uint64_t descriptor_sectors_ = 0;
  std::uint64_t overhead_ = 128;
  std::vector<Table> tables_;
  std::vector<std::uint32_t> directory_;
  std::vector<std::uint64_t> stored_sectors_;  // in the order of writing
};

}  // namespace v2vfs::test
