// SPDX-License-Identifier: MIT
#include "fs/guest_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/unit/disk/test_disk.h"

// What a guest sees, read through the tables that DiskView computes, of disks of every layout.

namespace v2vfs::fs {
namespace {

using namespace test;

GuestBytes bytes_of(convert::DiskView& view) {
  return {[&view](std::uint64_t offset, std::span<std::byte> out) { view.read(offset, out); },
          view.file_bytes()};
}

class OfEachLayout : public ::testing::TestWithParam<VmdkOptions> {};

TEST_P(OfEachLayout, are_the_disks_content) {
  constexpr std::uint64_t kBytes = 5 * kMiB + 12'288;
  const TestDisk disk(kBytes, GetParam());
  const auto view = disk.open();
  GuestBytes bytes = bytes_of(*view);
  ASSERT_EQ(bytes.bytes(), kBytes);
  std::vector<std::byte> got(kBytes), wanted(kBytes);
  disk.content().read(0, wanted);
  for (std::uint64_t at = 0; at < kBytes;) {  // across the borders of clusters
    const std::uint64_t length = std::min<std::uint64_t>(100'000, kBytes - at);
    bytes.read(at, std::span(got).subspan(at, length));
    at += length;
  }
  EXPECT_TRUE(got == wanted);
}

std::string name_of(VmdkType type) {
  switch (type) {
    case VmdkType::stream_optimized:
      return "streamOptimized";
    case VmdkType::monolithic_sparse:
      return "sparse";
    case VmdkType::two_gb_sparse:
      return "split";
    default:
      return "flat";
  }
}

VmdkOptions of_type(VmdkType type) {
  VmdkOptions options;
  options.type = type;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Layouts, OfEachLayout,
                         ::testing::Values(of_type(VmdkType::stream_optimized),
                                           of_type(VmdkType::monolithic_sparse),
                                           of_type(VmdkType::two_gb_sparse),
                                           of_type(VmdkType::monolithic_flat)),
                         [](const auto& of) { return name_of(of.param.type); });

TEST(GuestBytes, of_a_damaged_grain_are_an_error) {
  VmdkOptions options;
  options.damage = Damage::flipped_bit;
  const TestDisk disk(kMiB, options);
  const auto view = disk.open();
  GuestBytes bytes = bytes_of(*view);
  std::vector<std::byte> all(kMiB), wanted(kMiB);
  disk.content().read(0, wanted);
  try {
    bytes.read(0, all);
    EXPECT_FALSE(all == wanted);  // deflate itself may not notice (SEMANTICS.md)
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), EIO);
  }
}

TEST(GuestBytes, of_what_is_no_qcow2_there_are_none) {
  const std::string noise(4096, 'q');
  EXPECT_THROW(GuestBytes(
                   [&](std::uint64_t offset, std::span<std::byte> out) {
                     std::memcpy(out.data(), noise.data() + offset, out.size());
                   },
                   noise.size()),
               Error);
}

}  // namespace
}  // namespace v2vfs::fs
