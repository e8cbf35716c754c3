// SPDX-License-Identifier: MIT
#include "fs/durable_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "inspect/base/error.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

TEST(DurableFile, replaces_and_leaves_no_temporary) {
  const TemporaryFolder folder;
  write_durably(folder.path(), "text", "one");
  write_durably(folder.path(), "text", "two");
  EXPECT_EQ(read_small_file(folder.path(), "text"), "two");
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/text.new"));
}

TEST(DurableFile, a_missing_file_is_no_failure) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_small_file(folder.path(), "text"));
  EXPECT_FALSE(remove_durably(folder.path(), "text"));
}

TEST(DurableFile, follows_no_link) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/etc/passwd", folder.path() + "/text");
  EXPECT_THROW(read_small_file(folder.path(), "text"), Error);
  std::filesystem::create_symlink(folder.path() + "/elsewhere", folder.path() + "/other.new");
  EXPECT_THROW(write_durably(folder.path(), "other", "x"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/elsewhere"));
}

TEST(DurableFile, private_folders_are_private) {
  const TemporaryFolder folder;
  make_private_folder(folder.path() + "/state");
  struct stat st {};
  ASSERT_EQ(::stat((folder.path() + "/state").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

}  // namespace
}  // namespace v2vfs::fs
