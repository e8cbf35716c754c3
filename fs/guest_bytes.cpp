// SPDX-License-Identifier: MIT
#include "fs/guest_bytes.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "inspect/base/byte_order.h"
#include "inspect/base/error.h"
#include "inspect/base/inflate_stream.h"

namespace v2vfs::fs {
namespace {

// The qcow2 format, version 3 (docs/interop/qcow2.txt of QEMU).
constexpr std::uint64_t kMagicAndVersion = 0x514649fb'00000003;
constexpr std::uint64_t kPlaceMask = 0x00fffffffffffe00;
constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;
constexpr std::uint64_t kReadsAsZeros = 1;

}  // namespace

GuestBytes::GuestBytes(ReadFile read_file, std::uint64_t file_bytes)
    : read_file_(std::move(read_file)), file_length_(file_bytes) {
  cluster_bits_ = static_cast<unsigned>(number_at(16) & 0xffffffff);
  cluster_bytes_ = std::uint64_t{1} << (cluster_bits_ & 31);
  virtual_bytes_ = number_at(24);
  l1_entries_ = number_at(32) & 0xffffffff;
  l1_ = number_at(40);
  const std::uint64_t incompatible = number_at(72) & ~std::uint64_t{1};  // dirty is fine
  if (number_at(0) != kMagicAndVersion || incompatible || cluster_bits_ < 9 || cluster_bits_ > 21) {
    throw Error(EIO, "its tables are not those of a disk of this mount");
  }
}

std::vector<std::byte> GuestBytes::file_bytes(std::uint64_t offset, std::uint64_t length) const {
  std::vector<std::byte> bytes(length);
  if (offset < file_length_) {  // what lies behind the file's end reads as zeros
    read_file_(offset, std::span(bytes).first(std::min(length, file_length_ - offset)));
  }
  return bytes;
}

std::uint64_t GuestBytes::number_at(std::uint64_t offset) const {
  return load_big_endian<std::uint64_t>(file_bytes(offset, 8).data());
}

std::vector<std::byte> GuestBytes::inflate(std::uint64_t entry) const {
  const unsigned width = 62 - (cluster_bits_ - 8);
  const std::uint64_t place = entry & ((std::uint64_t{1} << width) - 1);
  const std::uint64_t sectors = ((entry & (kCompressed - 1)) >> width) + 1;
  const auto deflated = file_bytes(place, sectors * 512 - place % 512);
  std::vector<std::byte> content(cluster_bytes_);
  InflateStream stream(InflateStream::Format::raw);
  std::size_t taken = 0, made = 0;
  while (made < content.size()) {
    const auto step =
        stream.step(std::span(deflated).subspan(taken), std::span(content).subspan(made));
    if (!step || (step->taken == 0 && step->made == 0)) {
      throw Error(EIO, "a cluster at byte {} of it does not inflate", place);
    }
    taken += step->taken;
    made += step->made;
    if (step->ended && made < content.size()) {
      throw Error(EIO, "a cluster at byte {} of it is too short", place);
    }
  }
  return content;
}

const std::vector<std::byte>& GuestBytes::cluster(std::uint64_t index) {
  if (index == held_) return content_;
  const std::uint64_t entries = cluster_bytes_ / 8;
  const std::uint64_t in_l1 = index / entries;
  const std::uint64_t table = in_l1 < l1_entries_ ? number_at(l1_ + in_l1 * 8) & kPlaceMask : 0;
  const std::uint64_t entry = table ? number_at(table + index % entries * 8) : 0;
  held_ = UINT64_MAX;
  if (entry & kCompressed) {
    content_ = inflate(entry);
  } else if ((entry & kPlaceMask) == 0 || (entry & kReadsAsZeros)) {
    content_.assign(cluster_bytes_, std::byte{0});
  } else {
    content_ = file_bytes(entry & kPlaceMask, cluster_bytes_);
  }
  held_ = index;
  return content_;
}

void GuestBytes::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::vector<std::byte>& from = cluster(offset >> cluster_bits_);
    const std::uint64_t begin = offset & (cluster_bytes_ - 1);
    const std::size_t length = std::min<std::uint64_t>(out.size(), cluster_bytes_ - begin);
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin), length, out.begin());
    offset += length;
    out = out.subspan(length);
  }
}

}  // namespace v2vfs::fs
