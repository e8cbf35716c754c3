// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/output_file.h"
#include "tests/support/vmdk_writer.h"

namespace v2vfs::test {

/// Writes one extent as ESX writes deltas: COWD ("Virtual Disk Format 5.0", "ESX Server Sparse
/// Extents") or seSparse (the layout of QEMU's block/vmdk.c), by `options.type`.
class DeltaWriter {
 public:
  DeltaWriter(const Content& content, const VmdkOptions& options, const std::string& path);
  void write();

 private:
  /// What a table's entry says, before it is encoded.
  struct Entry {
    enum Kind { hole, unmapped, zeros, stored } kind = hole;
    std::uint64_t number = 0;  // of the grain, in the order of writing
  };
  using Table = std::vector<Entry>;

  bool is_se_sparse() const { return options_.type == VmdkType::se_sparse; }
  std::uint64_t grain_bytes() const { return options_.grain_sectors * 512; }
  void collect();
  void collect_table(std::uint64_t table);
  Entry entry_of(std::uint64_t grain);
  void shuffle();
  void write_cowd();
  void write_se_sparse();
  void write_se_sparse_headers(std::uint64_t directory_sectors, std::uint64_t tables_sector,
                               std::uint64_t tables_sectors);
  void write_grains(std::uint64_t first_sector);
  std::uint64_t encode(const Entry& entry, std::uint64_t first_sector) const;
  void write_tables(std::uint64_t first_sector, std::uint64_t grains_sector);
  void put_numbers(std::uint64_t sector, const std::vector<std::uint64_t>& numbers);
  void spoil();

  const Content& content_;
  VmdkOptions options_;
  OutputFile out_;
  std::uint64_t grain_count_;
  std::vector<Table> tables_;  // those in use
  std::vector<std::uint64_t>
      directory_;                      // for each table that there may be: its rank in tables_ + 1
  std::vector<std::uint64_t> grains_;  // in the order of writing
  std::vector<std::uint64_t> table_ranks_;  // where in the file each of tables_ lies
  std::uint64_t tables_sector_ = 0;
  std::uint64_t directory_sector_ = 0;
};

}  // namespace v2vfs::test
