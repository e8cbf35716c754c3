// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "convert/disk/in_place_map.h"
#include "convert/disk/loading_cache.h"
#include "convert/disk/qcow2_layout.h"

namespace v2vfs::convert {

/// The computed part of the qcow2: header, L1, refcount table and blocks, L2 tables. All of it is
/// big- endian bytes made when they are read; tables that cost something to make stay in a bounded
/// cache. Thread safe.
class Qcow2Tables {
 public:
  /// `map` is null for the layout one to one. Both outlive the tables.
  Qcow2Tables(const Qcow2Layout& layout, const InPlaceMap* map);

  /// Each fills `out` from byte `offset` of its part.
  void read_header(std::uint64_t offset, std::span<std::byte> out) const;
  void read_l1(std::uint64_t offset, std::span<std::byte> out) const;
  void read_refcount_table(std::uint64_t offset, std::span<std::byte> out) const;
  void read_refcount_blocks(std::uint64_t offset, std::span<std::byte> out) const;
  void read_l2(std::uint64_t offset, std::span<std::byte> out) const;

  bool l2_in_use(std::uint64_t table) const { return !map_ || map_->l2_in_use()[table]; }
  std::uint64_t l2_tables_in_use() const;

  /// See DiskView::tables_digest.
  std::string digest() const;

 private:
  using Bytes = std::vector<std::byte>;
  std::shared_ptr<const Bytes> make_l2(std::uint64_t table) const;
  std::shared_ptr<const Bytes> make_refcount_block(std::uint64_t block) const;
  void fill_run_refcounts(std::size_t run, std::uint64_t first_cluster,
                          std::span<std::uint16_t> out) const;

  const Qcow2Layout& layout_;
  const InPlaceMap* map_;
  mutable LoadingCache<Bytes> l2_;
  mutable LoadingCache<Bytes> refcount_blocks_;
};

}  // namespace v2vfs::convert
