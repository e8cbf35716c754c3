// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;

/// Reads all that a view shows; errors are EIO with a sentence, or it is no way to fail.
void read_all(DiskView& view) {
  std::vector<std::byte> buffer(1 << 20);
  for (std::uint64_t at = 0; at < view.file_bytes();) {
    const Stretch stretch = view.stretch_at(at);
    ASSERT_GT(stretch.end, at);
    if (!stretch.is_hole) {
      try {
        view.read(
            at, std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), stretch.end - at)));
      } catch (const Error& error) {
        EXPECT_EQ(error.error_number(), EIO) << error.sentence();
      }
    }
    at = stretch.is_hole ? stretch.end : std::min(stretch.end, at + buffer.size());
  }
}

TEST(BadFiles, are_refused_or_read_without_harm) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(V2VFS_BAD_FILES)) {
    SCOPED_TRACE(entry.path());
    ++count;
    for (const ViewOptions& options : {ViewOptions{}, plain(), verified()}) {
      inspect::DiskSpec spec;
      spec.file = entry.path().filename();
      try {
        const auto view = open_disk(TestFolder(V2VFS_BAD_FILES), spec, options, std::nullopt);
        if (view->virtual_bytes() <= 64 * kMiB) {
          EXPECT_EQ(Qcow2Reader(*view).check(), "");
          read_all(*view);
        }
      } catch (const Error& error) {
        EXPECT_TRUE(error.error_number() == EIO || error.error_number() == EOPNOTSUPP ||
                    error.error_number() == ENOENT || error.error_number() == EACCES)
            << error.sentence();
      }
    }
  }
  EXPECT_GE(count, 10);
}

}  // namespace
}  // namespace v2vfs::convert
