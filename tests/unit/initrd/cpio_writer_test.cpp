// SPDX-License-Identifier: MIT
#include "convert/guest/cpio_writer.h"

#include <gtest/gtest.h>

#include "inspect/guest/initrd_archive.h"

namespace v2vfs::convert {
namespace {

const std::vector<CpioFile> kFiles = {{"etc", 0040755, ""},
                                      {"etc/one", 0100600, "a\nb"},
                                      {"etc/link", 0120777, "one"},
                                      {"etc/empty", 0100644, ""}};

TEST(CpioWriter, writes_what_the_kernel_reads) {
  const std::string archive = write_cpio(kFiles);
  const auto found = inspect::read_initrd(
      archive.size(),
      [&](std::uint64_t offset, std::size_t length) {
        return offset >= archive.size() ? "" : archive.substr(offset, length);
      },
      [](std::string_view) { return true; });
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.tail, "");
  ASSERT_EQ(found.segments.size(), 1u);
  EXPECT_TRUE(found.segments[0].has_trailer);
  EXPECT_EQ(found.segments[0].bytes, archive.size());
  ASSERT_EQ(found.entries.size(), kFiles.size());
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    EXPECT_EQ(found.entries[i].name, kFiles[i].name);
    EXPECT_EQ(found.entries[i].mode, kFiles[i].mode);
    EXPECT_EQ(found.entries[i].bytes, kFiles[i].content.size());
  }
  EXPECT_EQ(found.files.at("etc/one"), "a\nb");
}

TEST(CpioWriter, has_no_time_and_no_owner_and_an_inode_each) {
  const std::string archive = write_cpio(kFiles);
  EXPECT_EQ(archive, write_cpio(kFiles));
  EXPECT_EQ(archive.size() % 4, 0u);
  EXPECT_EQ(archive.substr(0, 110),
            "070701"
            "00000001"
            "000041ed"
            "00000000"
            "00000000"
            "00000001"
            "00000000"
            "00000000"
            "00000000"
            "00000000"
            "00000000"
            "00000000"
            "00000004"
            "00000000");
  const std::size_t second = archive.find("070701", 6);
  EXPECT_EQ(archive.substr(second + 6, 8), "00000002");
}

}  // namespace
}  // namespace v2vfs::convert
