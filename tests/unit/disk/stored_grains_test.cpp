// SPDX-License-Identifier: MIT
#include "convert/disk/stored_grains.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace v2vfs::convert {
namespace {

TEST(StoredGrains, are_bounded_by_what_comes_next) {
  const StoredGrains grains({100, 110, 110, 400, 1000}, {405, 2000, 0}, 128, true);
  const auto sectors = [&](std::uint32_t start) {
    std::size_t hint = 0;
    const std::uint64_t result = grains.sectors_of(start, hint);
    std::size_t far = 5;
    EXPECT_EQ(grains.sectors_of(start, far), result);
    return result;
  };
  EXPECT_EQ(sectors(100), 10u);   // the next grain
  EXPECT_EQ(sectors(110), 256u);  // twice a grain is the most
  EXPECT_EQ(sectors(400), 5u);    // a table
  EXPECT_EQ(sectors(1000), 256u);
}

TEST(StoredGrains, end_with_the_file) {
  const StoredGrains grains({100}, {107}, 128, true);
  std::size_t hint = 0;
  EXPECT_EQ(grains.sectors_of(100, hint), 7u);
}

/// Counting the slow way must give the same, for every window.
TEST(StoredGrains, counts_uses_like_a_loop_over_all) {
  std::mt19937 random(1);
  std::vector<std::uint32_t> starts;
  for (int i = 0; i < 400; ++i) starts.push_back(1 + random() % 3000);
  std::ranges::sort(starts);
  const StoredGrains grains(starts, {500, 1500, 3300}, 16, true);
  constexpr std::uint64_t kCluster = 16;
  std::vector<std::uint16_t> expected(250);
  for (const std::uint32_t start : starts) {
    std::size_t hint = 0;
    const std::uint64_t last = start + grains.sectors_of(start, hint) - 1;
    for (std::uint64_t c = start / kCluster; c <= last / kCluster; ++c) ++expected[c];
  }
  for (std::size_t first = 0; first < 200; first += 7) {
    std::vector<std::uint16_t> counts(1 + first % 40);
    ASSERT_TRUE(grains.count_uses(first, kCluster, counts));
    for (std::size_t i = 0; i < counts.size(); ++i) EXPECT_EQ(counts[i], expected[first + i]);
  }
}

TEST(StoredGrains, counts_are_never_cut) {
  std::vector<std::uint16_t> counts(1);
  const std::vector<std::uint32_t> most(65535, 5);
  EXPECT_TRUE(StoredGrains(most, {100}, 128, true).count_uses(0, 128, counts));
  EXPECT_EQ(counts[0], 65535);
  const std::vector<std::uint32_t> more(65536, 5);
  EXPECT_FALSE(StoredGrains(more, {100}, 128, true).count_uses(0, 128, counts));
}

TEST(StoredGrains, raw_ones_may_not_overlap) {
  EXPECT_FALSE(StoredGrains({128, 256}, {}, 128, false).has_overlap());
  EXPECT_TRUE(StoredGrains({128, 255}, {}, 128, false).has_overlap());
  EXPECT_TRUE(StoredGrains({128, 128}, {}, 128, false).has_overlap());
  EXPECT_FALSE(StoredGrains({128, 128}, {}, 128, true).has_overlap());
}

}  // namespace
}  // namespace v2vfs::convert
