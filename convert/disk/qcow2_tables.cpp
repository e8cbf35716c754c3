// SPDX-License-Identifier: MIT
#include "convert/disk/qcow2_tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "convert/disk/qcow2_format.h"
#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/digest.h"

namespace v2vfs::convert {
namespace {

constexpr std::size_t kL2CacheBytes = 8 << 20;
constexpr std::size_t kRefcountCacheBytes = 2 << 20;
constexpr std::uint32_t kHeaderBytes = 104;
constexpr std::uint32_t kRefcountOrder = 4;  // 16 bits

using Header = std::array<std::byte, kHeaderBytes>;

Header make_header(const Qcow2Layout& layout) {
  Header header{};
  const auto u32 = [&](std::size_t at, std::uint64_t value) {
    store_big_endian(header.data() + at, static_cast<std::uint32_t>(value));
  };
  const auto u64 = [&](std::size_t at, std::uint64_t value) {
    store_big_endian(header.data() + at, value);
  };
  u32(0, 0x514649fb);  // "QFI\xfb"
  u32(4, 3);
  u32(20, static_cast<std::uint64_t>(std::countr_zero(layout.cluster_bytes)));
  u64(24, layout.virtual_bytes);
  u32(36, layout.l2_tables);
  u64(40, layout.l1_offset);
  u64(48, layout.refcount_table_offset);
  u32(56, kRefcountTableBytes / layout.cluster_bytes);
  u32(96, kRefcountOrder);
  u32(100, kHeaderBytes);
  return header;
}

/// Fills `out` from byte `offset` of a table whose entry i is entry(i).
template <typename Entry>
void read_entries(std::uint64_t offset, std::span<std::byte> out, Entry&& entry) {
  while (!out.empty()) {
    const std::uint64_t bytes = to_big_endian(static_cast<std::uint64_t>(entry(offset / 8)));
    const std::size_t count = std::min<std::size_t>(8 - offset % 8, out.size());
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(&bytes) + offset % 8, count);
    out = out.subspan(count);
    offset += count;
  }
}

/// Fills `out` from byte `offset` of tables of one cluster each; table(i) gives a pointer to bytes.
template <typename Table>
void read_tables(std::uint64_t cluster, std::uint64_t offset, std::span<std::byte> out,
                 Table&& table) {
  while (!out.empty()) {
    const std::uint64_t skip = offset % cluster;
    const std::size_t count = std::min<std::uint64_t>(cluster - skip, out.size());
    std::memcpy(out.data(), table(offset / cluster)->data() + skip, count);
    out = out.subspan(count);
    offset += count;
  }
}

template <typename Number>
std::shared_ptr<const std::vector<std::byte>> to_bytes(std::vector<Number>& numbers) {
  for (Number& number : numbers) number = to_big_endian(number);
  const auto bytes = std::as_bytes(std::span(numbers));
  return std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
}

std::size_t tables_in(std::size_t bytes, std::uint64_t cluster) {
  return std::max<std::size_t>(4, bytes / cluster);
}

}  // namespace

Qcow2Tables::Qcow2Tables(const Qcow2Layout& layout, const InPlaceMap* map)
    : layout_(layout),
      map_(map),
      l2_(tables_in(kL2CacheBytes, layout.cluster_bytes)),
      refcount_blocks_(tables_in(kRefcountCacheBytes, layout.cluster_bytes)) {}

void Qcow2Tables::read_header(std::uint64_t offset, std::span<std::byte> out) const {
  const Header header = make_header(layout_);
  std::memset(out.data(), 0, out.size());
  if (offset >= header.size()) return;
  std::memcpy(out.data(), header.data() + offset,
              std::min<std::size_t>(header.size() - offset, out.size()));
}

void Qcow2Tables::read_l1(std::uint64_t offset, std::span<std::byte> out) const {
  read_entries(offset, out, [&](std::uint64_t i) -> std::uint64_t {
    return i < layout_.l2_tables ? plain_entry(layout_.l2_offset + i * layout_.cluster_bytes) : 0;
  });
}

void Qcow2Tables::read_refcount_table(std::uint64_t offset, std::span<std::byte> out) const {
  read_entries(offset, out, [&](std::uint64_t i) -> std::uint64_t {
    return i < layout_.refcount_blocks ? layout_.refcount_blocks_offset + i * layout_.cluster_bytes
                                       : 0;
  });
}

void Qcow2Tables::read_l2(std::uint64_t offset, std::span<std::byte> out) const {
  if (!map_) {
    return read_entries(offset, out, [&](std::uint64_t i) -> std::uint64_t {
      return i < layout_.guest_clusters()
                 ? plain_entry(layout_.runs_offset() + i * layout_.cluster_bytes)
                 : 0;
    });
  }
  read_tables(layout_.cluster_bytes, offset, out,
              [&](std::uint64_t table) { return l2_.get(table, [&] { return make_l2(table); }); });
}

std::shared_ptr<const Qcow2Tables::Bytes> Qcow2Tables::make_l2(std::uint64_t table) const {
  std::vector<std::uint64_t> entries(layout_.entries_per_l2());
  map_->fill_l2(table * entries.size(), layout_, entries);
  return to_bytes(entries);
}

void Qcow2Tables::read_refcount_blocks(std::uint64_t offset, std::span<std::byte> out) const {
  read_tables(layout_.cluster_bytes, offset, out, [&](std::uint64_t block) {
    return refcount_blocks_.get(block, [&] { return make_refcount_block(block); });
  });
}

std::shared_ptr<const Qcow2Tables::Bytes> Qcow2Tables::make_refcount_block(
    std::uint64_t block) const {
  const std::uint64_t cluster = layout_.cluster_bytes;
  std::vector<std::uint16_t> counts(layout_.counts_per_block());
  const std::uint64_t first = block * counts.size();
  const std::uint64_t tables_end = layout_.reserve_offset / cluster;
  if (first < tables_end) {
    std::fill_n(counts.begin(), std::min<std::uint64_t>(counts.size(), tables_end - first),
                std::uint16_t{1});
  }
  for (std::size_t run = 0; run < layout_.runs.size(); ++run) {
    fill_run_refcounts(run, first, counts);
  }
  return to_bytes(counts);
}

void Qcow2Tables::fill_run_refcounts(std::size_t run, std::uint64_t first_cluster,
                                     std::span<std::uint16_t> out) const {
  const std::uint64_t cluster = layout_.cluster_bytes;
  const std::uint64_t start = layout_.runs[run].offset / cluster;
  const std::uint64_t end = start + ceil_div(layout_.runs[run].shape.bytes, cluster);
  const std::uint64_t from = std::max(start, first_cluster);
  const std::uint64_t to = std::min(end, first_cluster + out.size());
  if (from >= to) return;
  const std::span<std::uint16_t> part = out.subspan(from - first_cluster, to - from);
  if (map_) {
    map_->fill_refcounts(run, from - start, part);
  } else {
    std::ranges::fill(part, std::uint16_t{1});
  }
}

std::uint64_t Qcow2Tables::l2_tables_in_use() const {
  if (!map_) return layout_.l2_tables;
  return static_cast<std::uint64_t>(std::ranges::count(map_->l2_in_use(), true));
}

std::string Qcow2Tables::digest() const {
  Digest digest;
  digest.add_field(layout_text(layout_));
  // One to one, the tables say nothing that the layout does not.
  if (!map_) return digest.hex();
  for (std::uint64_t table = 0; table < layout_.l2_tables; ++table) {
    if (l2_in_use(table)) digest.add_number(table).add(*make_l2(table));
  }
  for (std::uint64_t block = 0; block < layout_.refcount_blocks; ++block) {
    digest.add(*make_refcount_block(block));
  }
  return digest.hex();
}

}  // namespace v2vfs::convert
