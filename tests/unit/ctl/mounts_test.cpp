// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::ctl {
namespace {

std::string line(const std::string& point, const std::string& type, const std::string& source) {
  return "40 28 0:36 / " + point + " rw,nosuid shared:5 - " + type + " " + source + " rw\n";
}

TEST(Mounts, only_ours_with_their_names_unescaped) {
  const auto mounts = parse_mounts(line("/", "ext4", "/dev/vda") +
                                   line("/mnt/a\\040b", "fuse.v2vfs", "/srv/x\\134y.ova") +
                                   line("/mnt/other", "fuse.sshfs", "host:"));
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].point, "/mnt/a b");
  EXPECT_EQ(mounts[0].source, "/srv/x\\y.ova");
}

TEST(Mounts, what_lies_over_ours_hides_it) {
  EXPECT_TRUE(
      parse_mounts(line("/mnt", "fuse.v2vfs", "a") + line("/mnt", "tmpfs", "none")).empty());
  const auto twice =
      parse_mounts(line("/mnt", "fuse.v2vfs", "a") + line("/mnt", "fuse.v2vfs", "b"));
  ASSERT_EQ(twice.size(), 1u);
  EXPECT_EQ(twice[0].source, "b");
}

TEST(Mounts, lines_without_optional_fields_and_cut_ones) {
  EXPECT_EQ(parse_mounts("40 28 0:36 / /mnt rw - fuse.v2vfs src rw\n").size(), 1u);
  EXPECT_TRUE(parse_mounts("40 28 0:36\n\nx").empty());
}

TEST(Mounts, a_word_that_means_nothing_is_an_error_with_a_way_out) {
  try {
    find_place("no-such-vm\x1b[31m");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), ENOENT);
    EXPECT_THAT(e.sentence(), testing::HasSubstr("v2vfsctl status"));
    EXPECT_THAT(e.sentence(), testing::Not(testing::HasSubstr("\x1b")));
  }
}

}  // namespace
}  // namespace v2vfs::ctl
