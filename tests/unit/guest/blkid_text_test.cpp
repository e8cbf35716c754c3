// SPDX-License-Identifier: MIT
#include "inspect/guest/blkid_text.h"

#include <gtest/gtest.h>

namespace v2vfs::inspect {
namespace {

TEST(BlkidText, takes_the_escapes_away) {
  EXPECT_EQ(blkid_unescape("plain"), "plain");
  EXPECT_EQ(blkid_unescape(R"(my\ root\$)"), "my root$");
  EXPECT_EQ(blkid_unescape(R"(\xc3\xa4)"), "\xc3\xa4");
  EXPECT_EQ(blkid_unescape(R"(a\\x41)"), R"(a\x41)");
}

TEST(BlkidText, knows_what_it_cannot_know) {
  EXPECT_TRUE(blkid_is_ambiguous("M-CM-$"));
  EXPECT_TRUE(blkid_is_ambiguous("^A"));
  EXPECT_FALSE(blkid_is_ambiguous("DATA-M"));
}

TEST(BlkidText, lives_with_what_is_cut_off) {
  EXPECT_EQ(blkid_unescape("a\\"), "a\\");
  EXPECT_EQ(blkid_unescape("\\x4"), "x4");
  EXPECT_EQ(blkid_unescape("\\xzz"), "xzz");
  EXPECT_EQ(blkid_unescape(""), "");
}

}  // namespace
}  // namespace v2vfs::inspect
