// SPDX-License-Identifier: MIT
#include "inspect/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace v2vfs {
namespace {

TEST(Error, of_a_call_is_a_sentence_with_what_and_why) {
  const Error error = errno_error(ENOENT, "/srv/a.ova");
  EXPECT_EQ(error.sentence(), "/srv/a.ova: No such file or directory");
  EXPECT_EQ(error.error_number(), ENOENT);
}

TEST(Error, of_too_many_open_files_says_what_to_do) {
  EXPECT_EQ(errno_error(EMFILE, "/srv/a.ova").sentence(),
            "/srv/a.ova: Too many open files: raise the limit (ulimit -n)");
}

TEST(Error, of_a_file_names_the_byte) {
  EXPECT_EQ(file_error(EIO, "a.vmdk", 512, "the table is damaged").sentence(),
            "a.vmdk, byte 512: the table is damaged");
}

}  // namespace
}  // namespace v2vfs
