// SPDX-License-Identifier: MIT
#include "tests/support/qcow2_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "inspect/base/error.h"

namespace v2vfs::test {
namespace {

constexpr std::uint64_t kOffsetMask = 0x00fffffffffffe00;
constexpr std::uint64_t kCopiedBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kCompressedBit = std::uint64_t{1} << 62;

}  // namespace

Qcow2Reader::Qcow2Reader(convert::DiskView& view) : view_(view) {
  if (u32(0) != 0x514649fb || u32(4) != 3) throw std::runtime_error("no qcow2 of version 3");
  cluster_bits_ = static_cast<unsigned>(u32(20));
  cluster_ = std::uint64_t{1} << cluster_bits_;
  virtual_bytes_ = u64(24);
  l1_size_ = u32(36);
  l1_ = u64(40);
  refcount_table_ = u64(48);
  refcount_table_clusters_ = u32(56);
  if (u64(72) | u64(80) | u64(88)) throw std::runtime_error("feature bits");
  if (u32(96) != 4) throw std::runtime_error("refcount order");
}

std::vector<std::byte> Qcow2Reader::bytes(std::uint64_t offset, std::uint64_t count) {
  std::vector<std::byte> result(count);
  const std::uint64_t end = std::min(offset + count, view_.file_bytes());
  view_.read(offset, std::span(result).first(end - std::min(offset, end)));
  return result;
}

std::uint64_t Qcow2Reader::u64(std::uint64_t offset) {
  std::uint64_t value = 0;
  for (const std::byte b : bytes(offset, 8)) value = value << 8 | std::to_integer<unsigned>(b);
  return value;
}

std::uint64_t Qcow2Reader::u32(std::uint64_t offset) { return u64(offset) >> 32; }

std::uint64_t Qcow2Reader::l2_entry(std::uint64_t guest_cluster) {
  const std::uint64_t entries = cluster_ / 8;
  const std::uint64_t table = u64(l1_ + guest_cluster / entries * 8);
  if ((table & kOffsetMask) == 0) throw std::runtime_error("an L1 entry is 0");
  return u64((table & kOffsetMask) + guest_cluster % entries * 8);
}

std::uint64_t Qcow2Reader::refcount(std::uint64_t host_cluster) {
  const std::uint64_t counts = cluster_ / 2;
  const std::uint64_t block = u64(refcount_table_ + host_cluster / counts * 8);
  if (block == 0) return 0;
  const auto two = bytes(block + host_cluster % counts * 2, 2);
  return std::to_integer<unsigned>(two[0]) << 8 | std::to_integer<unsigned>(two[1]);
}

std::vector<std::byte> Qcow2Reader::guest_cluster(std::uint64_t index) {
  const std::uint64_t entry = l2_entry(index);
  if (entry == 0) return std::vector<std::byte>(cluster_);
  if (!(entry & kCompressedBit)) return bytes(entry & kOffsetMask, cluster_);
  const unsigned width = 62 - (cluster_bits_ - 8);
  const std::uint64_t offset = entry & ((std::uint64_t{1} << width) - 1);
  const std::uint64_t sectors = ((entry & ~kCompressedBit) >> width) + 1;
  std::vector<std::byte> deflated = bytes(offset, sectors * 512 - offset % 512);
  std::vector<std::byte> out(cluster_);
  z_stream stream{};
  inflateInit2(&stream, -15);
  stream.next_in = reinterpret_cast<Bytef*>(deflated.data());
  stream.avail_in = static_cast<uInt>(deflated.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_FINISH);
  const bool is_whole = stream.avail_out == 0;
  inflateEnd(&stream);
  if (!is_whole) throw Error(EIO, "guest cluster {} does not inflate to a cluster", index);
  return out;
}

void Qcow2Reader::count(std::map<std::uint64_t, std::uint64_t>& uses, std::uint64_t offset,
                        std::uint64_t length) {
  for (std::uint64_t c = offset / cluster_; c <= (offset + length - 1) / cluster_; ++c) ++uses[c];
}

std::string Qcow2Reader::check() {
  std::map<std::uint64_t, std::uint64_t> uses;
  count(uses, 0, 1);
  if (l1_size_) count(uses, l1_, l1_size_ * 8);
  count(uses, refcount_table_, refcount_table_clusters_ * cluster_);
  for (std::uint64_t i = 0; i < refcount_table_clusters_ * cluster_ / 8; ++i) {
    const std::uint64_t block = u64(refcount_table_ + i * 8);
    if (block == 0) break;
    count(uses, block, 1);
  }
  const std::uint64_t clusters = (virtual_bytes_ + cluster_ - 1) / cluster_;
  for (std::uint64_t i = 0; i < l1_size_; ++i) count(uses, u64(l1_ + i * 8) & kOffsetMask, 1);
  for (std::uint64_t i = 0; i < clusters; ++i) {
    const std::uint64_t entry = l2_entry(i);
    if (entry == 0) continue;
    if (entry & kCompressedBit) {
      const unsigned width = 62 - (cluster_bits_ - 8);
      const std::uint64_t offset = entry & ((std::uint64_t{1} << width) - 1);
      const std::uint64_t sectors = ((entry & ~kCompressedBit) >> width) + 1;
      count(uses, offset / 512 * 512, sectors * 512);
    } else {
      if (!(entry & kCopiedBit)) return fmt::format("guest cluster {} is not COPIED", i);
      if (entry & (cluster_ - 1)) return fmt::format("guest cluster {} is not aligned", i);
      count(uses, entry & kOffsetMask, 1);
    }
  }
  std::vector<std::byte> block;
  for (std::uint64_t c = 0; c < view_.file_bytes() / cluster_; ++c) {
    const std::uint64_t counts = cluster_ / 2;
    if (c % counts == 0) block = bytes(u64(refcount_table_ + c / counts * 8), cluster_);
    const std::size_t at = c % counts * 2;
    const std::uint64_t found = std::to_integer<std::uint64_t>(block[at]) << 8 |
                                std::to_integer<std::uint64_t>(block[at + 1]);
    const auto used = uses.find(c);
    const std::uint64_t expected = used == uses.end() ? 0 : used->second;
    if (found != expected) {
      return fmt::format("host cluster {}: refcount {}, references {}", c, found, expected);
    }
  }
  return {};
}

}  // namespace v2vfs::test
