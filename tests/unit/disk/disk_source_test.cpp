// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/output_file.h"
#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;
using inspect::DiskFormat;

std::string descriptor(const std::string& extents) {
  return "# Disk DescriptorFile\nversion=1\nCID=7e57d15c\nparentCID=ffffffff\n"
         "createType=\"twoGbMaxExtentFlat\"\n" +
         extents;
}

// SEMANTICS: "RDONLY extents are read, ZERO extents are zeros"
TEST(DiskSource, a_disk_of_many_kinds_of_extents) {
  TestDisk disk;
  disk.add_text("a.bin", std::string(4096, 'a') + std::string(1024, 'b'));
  disk.add_text("d.vmdk",
                descriptor("RW 2 FLAT \"a.bin\" 8\nRW 3 ZERO\nRDONLY 1 FLAT \"a.bin\" 0\n"));
  const auto view = disk.open({}, {}, "d.vmdk");
  ASSERT_EQ(view->virtual_bytes(), 6 * 512u);
  const auto bytes = Qcow2Reader(*view).guest_cluster(0);
  EXPECT_EQ(std::ranges::count(std::span(bytes).first(1024), std::byte{'b'}), 1024);
  EXPECT_EQ(std::ranges::count(std::span(bytes).subspan(1024, 1536), std::byte{0}), 1536);
  EXPECT_EQ(std::ranges::count(std::span(bytes).subspan(2560, 512), std::byte{'a'}), 512);
}

TEST(DiskSource, extents_lie_beside_their_descriptor) {
  TestDisk disk;
  std::filesystem::create_directory(disk.path("sub"));
  disk.add_text("sub/a.bin", std::string(512, 'a'));
  disk.add_text("sub/d.vmdk", descriptor("RW 1 FLAT \"a.bin\" 0\n"));
  EXPECT_EQ(disk.refusal("sub/d.vmdk"), 0);
}

TEST(DiskSource, refuses_with_the_errno_that_fits) {
  TestDisk disk;
  disk.add_text("a.bin", std::string(1024, 'a'));
  const auto refusal = [&](const std::string& extents) {
    disk.add_text("d.vmdk", descriptor(extents));
    return disk.refusal("d.vmdk");
  };
  EXPECT_EQ(refusal("RW 2 FLAT \"a.bin\" 0\n"), 0);
  EXPECT_EQ(refusal("RW 3 FLAT \"a.bin\" 0\n"), EIO);  // a short extent
  EXPECT_EQ(refusal("RW 2 FLAT \"a.bin\" 1\n"), EIO);
  EXPECT_EQ(refusal("RW 2 FLAT \"b.bin\" 0\n"), ENOENT);
  EXPECT_EQ(refusal("RW 2 FLAT \"/etc/passwd\" 0\n"), EACCES);
  EXPECT_EQ(refusal("RW 2 FLAT \"../a.bin\" 0\n"), EACCES);
  EXPECT_EQ(refusal("NOACCESS 2 FLAT \"/dev/sda\" 0\n"), 0);
  EXPECT_EQ(refusal("RW 2 SPARSE \"a.bin\"\n"), EIO);
  EXPECT_EQ(refusal("RW 2 FLAT \"vsan://1\"\n"), EOPNOTSUPP);
  EXPECT_EQ(refusal("RW 2 VMFSSPARSE \"a.bin\"\n"), EIO);
  EXPECT_EQ(refusal("RW 2 SESPARSE \"a.bin\"\n"), EIO);
}

// SEMANTICS: "NOACCESS extents keep their place on the disk and every read of them is EIO"
TEST(DiskSource, what_may_not_be_read_keeps_its_place) {
  TestDisk disk;
  disk.add_text("a.bin", std::string(kMiB, 'a'));
  disk.add_text("d.vmdk", descriptor("RW 2048 FLAT \"a.bin\" 0\nNOACCESS 2048 ZERO\n"
                                     "RW 2048 FLAT \"a.bin\" 0\n"));
  const auto view = disk.open({}, {}, "d.vmdk");
  EXPECT_TRUE(is_plain(*view));
  EXPECT_EQ(view->virtual_bytes(), 3 * kMiB);
  Qcow2Reader reader(*view);
  const std::vector<std::byte> letters(reader.cluster_bytes(), std::byte{'a'});
  for (std::uint64_t at = 0; at < 3 * kMiB; at += reader.cluster_bytes()) {
    if (at / kMiB == 1) {
      EXPECT_THROW(reader.guest_cluster(at / reader.cluster_bytes()), Error);
    } else {
      EXPECT_EQ(reader.guest_cluster(at / reader.cluster_bytes()), letters);
    }
  }
}

TEST(DiskSource, one_sparse_file_is_one_extent) {
  const TestDisk disk(kMiB, {.type = VmdkType::two_gb_sparse});
  disk.add_text("d.vmdk", descriptor("RW 2048 SPARSE \"disk-s001.vmdk\"\n"));
  EXPECT_EQ(disk.refusal("d.vmdk"), 0);
  disk.add_text(
      "d.vmdk",
      descriptor("RW 2048 SPARSE \"disk-s001.vmdk\"\nRW 2048 SPARSE \"disk-s001.vmdk\"\n"));
  EXPECT_EQ(disk.refusal("d.vmdk"), EIO);
  disk.add_text("d.vmdk", descriptor("RW 4096 SPARSE \"disk-s001.vmdk\"\n"));
  EXPECT_EQ(disk.refusal("d.vmdk"), EIO);
  EXPECT_EQ(disk.refusal("disk-s001.vmdk"), EOPNOTSUPP);
}

// SEMANTICS: "those with its own name are taken for them"
TEST(DiskSource, extents_may_have_been_renamed_with_their_descriptor) {
  for (const VmdkType type : {VmdkType::monolithic_flat, VmdkType::two_gb_sparse,
                              VmdkType::two_gb_flat, VmdkType::vmfs_sparse}) {
    const TestDisk disk(kMiB, {.type = type, .grain_sectors = 128});
    EXPECT_TRUE(disk.open()->assumptions().empty());
    const std::string identity = disk.open()->source_identity();
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(disk.path(""))) {
      names.push_back(entry.path().filename());
    }
    for (const std::string& name : names) {
      std::filesystem::rename(disk.path(name), disk.path("new" + name.substr(4)));
    }
    const auto view = disk.open({}, {}, "new.vmdk");
    EXPECT_EQ(view->source_identity(), identity);
    ASSERT_EQ(view->assumptions().size(), 1u);
    EXPECT_NE(view->assumptions()[0].find("new-"), std::string::npos) << view->assumptions()[0];
  }
}

// SEMANTICS: "one that is said to be raw is raw whatever it holds"
TEST(DiskSource, says_what_the_file_is) {
  TestDisk disk(kMiB);
  const auto with = [&](const std::string& magic) {
    disk.add_text("x", magic + std::string(1024, '\0'));
    return disk.refusal("x");
  };
  EXPECT_EQ(with("QFI\xfb"), EOPNOTSUPP);
  EXPECT_EQ(with("vhdxfile"), EIO);
  EXPECT_EQ(with("conectix"), EIO);
  EXPECT_EQ(disk.refusal("x", DiskFormat::raw), 0);
  EXPECT_EQ(with("COWD"), EOPNOTSUPP);
  EXPECT_EQ(with("\x1f\x8b"), EOPNOTSUPP);
  EXPECT_EQ(with("nothing known"), 0);
  EXPECT_EQ(with("KDMV"), EOPNOTSUPP);  // a VMDK of version 0
  EXPECT_EQ(disk.refusal("x", DiskFormat::raw), 0);
  EXPECT_EQ(with("nothing known"), 0);
  EXPECT_EQ(disk.refusal("x", DiskFormat::vmdk), EIO);
  EXPECT_EQ(disk.refusal("gone"), ENOENT);
  // A guest may write what it likes into its raw disk.
  EXPECT_EQ(disk.open({}, {}, "disk.vmdk", DiskFormat::raw)->virtual_bytes(),
            std::filesystem::file_size(disk.path()));
}

TEST(DiskSource, damaged_heads_and_ends_are_errors) {
  for (const Damage damage : {Damage::no_footer, Damage::bad_newlines}) {
    EXPECT_EQ(TestDisk(kMiB, {.damage = damage}).refusal(), EIO);
  }
  const TestDisk cut(kMiB);
  std::filesystem::resize_file(cut.path(), 700);
  EXPECT_EQ(cut.refusal(), EIO);
  const TestDisk contradiction(kMiB);
  OutputFile file(contradiction.path(), OutputFile::Open::change);
  const std::byte byte{0x10};
  file.write(file.length() - 1024 + 13, {&byte, 1});  // the footer's capacity
  EXPECT_EQ(contradiction.refusal(), EIO);
}

/// A file that says it is longer than it is: its end cannot be read, today.
class Unreadable : public inspect::SourceFiles {
 public:
  Unreadable(const std::string& path, std::uint64_t length) : folder_(path), length_(length) {}
  inspect::SourceFile open(std::string_view name) const override {
    auto fd =
        std::make_shared<UniqueFd>(::open((folder_ + "/" + std::string(name)).c_str(), O_RDONLY));
    return {fd, std::string(name), 0, length_};
  }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::string folder_;
  std::uint64_t length_;
};

TEST(DiskSource, a_table_that_cannot_be_read_fails_the_disk) {
  // The tables of the first layout are at the end of the file, past what is left of it.
  const TestDisk disk(kMiB, {.directory_in_footer = false});
  const std::uint64_t bytes = std::filesystem::file_size(disk.path());
  std::filesystem::resize_file(disk.path(), bytes - 2048);
  inspect::DiskSpec spec;
  spec.file = "disk.vmdk";
  const std::string folder = std::filesystem::path(disk.path()).parent_path();
  try {
    open_disk(Unreadable(folder, bytes), spec, {}, std::nullopt);
    FAIL() << "a disk whose tables cannot be read was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EIO);
  }
}

}  // namespace
}  // namespace v2vfs::convert
