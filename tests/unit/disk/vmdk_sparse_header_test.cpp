// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_sparse_header.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

using Bytes = std::array<std::byte, kSectorBytes>;

template <typename Number>
void put(Bytes& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

Bytes good() {
  Bytes bytes{};
  put(bytes, 0, std::uint32_t{kSparseMagic});
  put(bytes, 4, std::uint32_t{3});
  put(bytes, 8, std::uint32_t{0x30001});
  put(bytes, 12, std::uint64_t{128 * 512 * 3 + 1});
  put(bytes, 20, std::uint64_t{128});
  put(bytes, 44, std::uint32_t{512});
  put(bytes, 56, std::uint64_t{9});
  std::memcpy(bytes.data() + 73, "\n \r\n", 4);
  put(bytes, 77, std::uint16_t{1});
  return bytes;
}

int refusal(const Bytes& bytes) {
  try {
    parse_sparse_header(bytes, "x.vmdk", 0);
  } catch (const Error& error) {
    return error.error_number();
  }
  return 0;
}

TEST(SparseHeader, is_read) {
  const SparseHeader header = parse_sparse_header(good(), "x.vmdk", 0);
  EXPECT_TRUE(header.compressed && header.has_markers);
  EXPECT_FALSE(header.has_zero_grains || header.has_redundant_copy || header.unclean_shutdown);
  EXPECT_EQ(header.grain_bytes(), 65536u);
  EXPECT_EQ(header.grain_count(), 512u * 3 + 1);
  EXPECT_EQ(header.table_count(), 4u);
  EXPECT_EQ(header.directory_sector, 9u);
}

struct Change {
  std::size_t at;
  std::uint64_t value;
  std::size_t bytes;
  int expected;
};

TEST(SparseHeader, is_held_to_limits) {
  const Change changes[] = {
      {0, 0, 4, EIO},         // magic
      {4, 0, 4, EOPNOTSUPP},  // version
      {4, 4, 4, EOPNOTSUPP},
      {8, 0x30009, 4, EOPNOTSUPP},  // a flag that nobody knows
      {8, 0x20001, 4, EIO},         // markers, and grains that are not deflated
      {8, 0x00001, 4, EIO},         // deflate, and grains that are not deflated
      {77, 2, 2, EOPNOTSUPP},       // another compression
      {12, (std::uint64_t{1} << 44) + 1, 8, EOPNOTSUPP},  // capacity
      {12, std::uint64_t{1} << 44, 8, 0},
      {20, 0, 8, EOPNOTSUPP},  // grain
      {20, 4, 8, EOPNOTSUPP},
      {20, 96, 8, EOPNOTSUPP},
      {20, 16384, 8, EOPNOTSUPP},
      {20, 8, 8, 0},
      {20, 8192, 8, 0},
      {44, 506, 4, EOPNOTSUPP},  // entries of a table
      {75, '\n', 1, EIO},        // transferred as text
  };
  for (const Change& change : changes) {
    Bytes bytes = good();
    std::memcpy(bytes.data() + change.at, &change.value, change.bytes);
    EXPECT_EQ(refusal(bytes), change.expected) << change.at << ": " << change.value;
  }
}

}  // namespace
}  // namespace v2vfs::convert
