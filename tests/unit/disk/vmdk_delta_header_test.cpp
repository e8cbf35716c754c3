// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_delta_header.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "tests/support/output_file.h"
#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;

struct Change {
  std::uint64_t at;
  std::uint64_t value;
  std::size_t bytes;
  int expected;
};

/// The errno with which a disk is refused whose extent's header has that change.
int refusal_of(VmdkType type, const std::string& extent, const Change& change) {
  const TestDisk disk(kMiB, {.type = type, .grain_sectors = 8});
  OutputFile file(disk.path(extent), OutputFile::Open::change);
  file.write(change.at, std::as_bytes(std::span(&change.value, 1)).first(change.bytes));
  return disk.refusal();
}

TEST(CowdHeader, is_held_to_limits) {
  const Change changes[] = {
      {0, 0x44574f44, 4, EIO},  // magic
      {4, 2, 4, EOPNOTSUPP},    // version
      {12, 2047, 4, EIO},       // shorter than the descriptor says
      {12, 4096, 4, EIO},
      {16, 0, 4, EOPNOTSUPP},  // grain
      {16, 3, 4, EOPNOTSUPP},
      {16, 16384, 4, EOPNOTSUPP},
      {20, 0, 4, EIO},  // directory
      {20, 0xffffffff, 4, EIO},
      {24, 0, 4, EIO},  // its entries
      {28, 0, 4, 0},    // the next free sector is nothing to a reader
  };
  for (const Change& change : changes) {
    EXPECT_EQ(refusal_of(VmdkType::vmfs_sparse, "disk-delta.vmdk", change), change.expected)
        << change.at << ": " << change.value;
  }
}

TEST(SeSparseHeader, is_held_to_limits) {
  const std::uint64_t far = std::uint64_t{1} << 60;
  const Change changes[] = {
      {0, 0xcafebabf, 8, EIO},  // magic
      {8, 0x200000002, 8, EOPNOTSUPP},
      {16, 2047, 8, EIO},  // capacity
      {16, (std::uint64_t{1} << 37) + 1, 8, EOPNOTSUPP},
      {24, 16, 8, EOPNOTSUPP},  // grain
      {32, 32, 8, EOPNOTSUPP},  // table
      {40, 1, 8, EOPNOTSUPP},   // flags
      {80, far, 8, EIO},        // places
      {80, 9, 8, EIO},
      {128, far, 8, EIO},
      {128, 1 << 20, 8, EIO},
      {136, 0, 8, EIO},
      {144, far, 8, EIO},
      {152, far, 8, EIO},
      {192, far, 8, EIO},
      {512, 0, 8, EIO},  // the volatile header
      {536, 1, 8, EOPNOTSUPP},
      {176, 0, 8, 0},  // the map backwards is nothing to a reader
  };
  for (const Change& change : changes) {
    EXPECT_EQ(refusal_of(VmdkType::se_sparse, "disk-sesparse.vmdk", change), change.expected)
        << change.at << ": " << change.value;
  }
}

TEST(DeltaHeader, a_file_is_of_the_kind_that_its_descriptor_says) {
  const TestDisk cowd(kMiB, {.type = VmdkType::vmfs_sparse, .grain_sectors = 8});
  std::filesystem::copy(cowd.path("disk-delta.vmdk"), cowd.path("other.vmdk"));
  cowd.add_text("d.vmdk",
                "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
                "createType=\"seSparse\"\nRW 2048 SESPARSE \"other.vmdk\"\n");
  EXPECT_EQ(cowd.refusal("d.vmdk"), EIO);
}

}  // namespace
}  // namespace v2vfs::convert
