// SPDX-License-Identifier: MIT
#include "fs/overlay/block_range.h"

#include <gtest/gtest.h>

namespace v2vfs::fs {
namespace {

struct Row {
  const char* what;
  ByteRange range;
  SplitRange parts;
};

TEST(BlockRange, splits_at_block_borders) {
  constexpr std::uint64_t kBlock = 4096;
  constexpr std::uint64_t kFar = std::uint64_t{64} << 40;
  const Row rows[] = {
      {"nothing at a border", {4096, 0}, {{4096, 0}, {4096, 0}, {4096, 0}}},
      {"nothing inside", {100, 0}, {{100, 0}, {4096, 0}, {4096, 0}}},
      {"one byte inside", {100, 1}, {{100, 1}, {4096, 0}, {4096, 0}}},
      {"from a border, not to the next", {0, 20}, {{0, 0}, {0, 0}, {0, 20}}},
      {"from inside to the border", {100, 3996}, {{100, 3996}, {4096, 0}, {4096, 0}}},
      {"the last byte", {4095, 1}, {{4095, 1}, {4096, 0}, {4096, 0}}},
      {"one block", {4096, 4096}, {{4096, 0}, {4096, 4096}, {8192, 0}}},
      {"head and body", {4000, 4192}, {{4000, 96}, {4096, 4096}, {8192, 0}}},
      {"body and tail", {4096, 4097}, {{4096, 0}, {4096, 4096}, {8192, 1}}},
      {"head and tail", {4095, 2}, {{4095, 1}, {4096, 0}, {4096, 1}}},
      {"all three", {1, 12288}, {{1, 4095}, {4096, 8192}, {12288, 1}}},
      {"the last block there is",
       {kFar - 4097, 4097},
       {{kFar - 4097, 1}, {kFar - 4096, 4096}, {kFar, 0}}},
  };
  for (const Row& row : rows) EXPECT_EQ(split_range(row.range, kBlock), row.parts) << row.what;
}

TEST(BlockRange, parts_join_to_the_whole) {
  for (std::uint64_t from = 0; from < 40; ++from)
    for (std::uint64_t length = 0; length < 40; ++length) {
      const SplitRange s = split_range({from, length}, 8);
      EXPECT_EQ(s.head.length + s.body.length + s.tail.length, length);
      EXPECT_EQ(s.body.length % 8, 0u);
      EXPECT_LT(s.head.length, 8u);
      EXPECT_LT(s.tail.length, 8u);
      EXPECT_TRUE(s.body.length == 0 || s.body.offset % 8 == 0);
      EXPECT_TRUE(s.tail.length == 0 || s.tail.offset == from + s.head.length + s.body.length);
    }
}

}  // namespace
}  // namespace v2vfs::fs
