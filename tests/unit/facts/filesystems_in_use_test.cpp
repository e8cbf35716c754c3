// SPDX-License-Identifier: MIT
#include "inspect/guest/filesystems_in_use.h"

#include <gtest/gtest.h>

#include "tests/support/folder_guest.h"
#include "tests/support/scratch.h"

namespace v2vfs::inspect {
namespace {

void put_big(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    bytes[at + i] = static_cast<char>(value >> 8 * (length - 1 - i));
  }
}

std::string ext(unsigned compat, unsigned incompat, unsigned state) {
  std::string bytes(1024, '\0');
  bytes[0x38] = 0x53, bytes[0x39] = static_cast<char>(0xEF);
  bytes[0x3A] = static_cast<char>(state);
  bytes[0x5C] = static_cast<char>(compat);
  bytes[0x60] = static_cast<char>(incompat);
  return bytes;
}

TEST(FilesystemsInUse, ext_says_so_by_its_log_or_without_one_by_its_state) {
  EXPECT_FALSE(ext_in_use(ext(4, 2, 1)));
  EXPECT_TRUE(ext_in_use(ext(4, 2 | 4, 1)));
  EXPECT_FALSE(ext_in_use(ext(4, 2, 0))) << "mounted with a log that is empty";
  EXPECT_FALSE(ext_in_use(ext(0, 2, 1)));
  EXPECT_TRUE(ext_in_use(ext(0, 2, 0)));
  EXPECT_FALSE(ext_in_use(std::string(1024, '\0')));
  EXPECT_FALSE(ext_in_use(""));
}

/// A log of XFS: sectors [0, head) of round 2, the others of round 1, and a record before the head.
class XfsLogTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSectors = 1024;
  std::string log_ = std::string(kSectors * 512, '\0');

  void make(std::uint64_t head, unsigned round, unsigned operations, unsigned flags,
            std::uint64_t padding = 0) {
    for (std::uint64_t i = 0; i < kSectors; ++i) {
      put_big(log_, i * 512, i < head ? round : round - 1, 4);
    }
    const std::uint64_t at = (head + kSectors - 2 - padding) % kSectors * 512;
    put_big(log_, at, 0xFEEDBABE, 4);
    put_big(log_, at + 4, head < 2 + padding ? round - 1 : round, 4);
    put_big(log_, at + 8, 2, 4);
    put_big(log_, at + 40, operations, 4);
    put_big(log_, at + 320, 32'768, 4);
    log_[at + 512 + 9] = static_cast<char>(flags);
  }
  bool in_use() const {
    return xfs_in_use(kSectors, [this](std::uint64_t first, std::uint64_t count) {
      return log_.substr(first * 512, count * 512);
    });
  }
};

TEST_F(XfsLogTest, an_unmount_record_at_the_head_ends_it) {
  for (const std::uint64_t head : {2u, 3u, 500u, 1022u, 1024u}) {
    make(head, 2, 1, 0x20);
    EXPECT_FALSE(in_use()) << head;
    make(head, 2, 1, 0);
    EXPECT_TRUE(in_use()) << head;
    make(head, 2, 7, 0x20);
    EXPECT_TRUE(in_use()) << head;
  }
  make(600, 2, 1, 0x20, 60);  // padded to the stripe unit
  EXPECT_FALSE(in_use());
}

TEST_F(XfsLogTest, a_log_without_a_record_is_in_use_and_one_that_was_never_written_is_not) {
  EXPECT_FALSE(in_use());
  make(700, 2, 1, 0x20);
  log_.replace(698 * 512, 4, 4, '\0');
  EXPECT_TRUE(in_use());
  EXPECT_TRUE(xfs_in_use(0, [](auto, auto) { return std::string(); }));
}

TEST(FilesystemsInUse, the_log_of_xfs_is_found_and_nonsense_is_not) {
  std::string bytes(512, '\0');
  bytes.replace(0, 4, "XFSB");
  put_big(bytes, 4, 4096, 4);
  put_big(bytes, 48, (2u << 14) + 5, 8);  // block 5 of the third group
  put_big(bytes, 84, 10'000, 4);          // blocks of a group
  put_big(bytes, 96, 1000, 4);
  bytes[124] = 14;
  const XfsLog log = xfs_log(bytes);
  EXPECT_EQ(log.offset, (2 * 10'000 + 5) * 4096u);
  EXPECT_EQ(log.sectors, 8000u);
  put_big(bytes, 4, 0, 4);
  EXPECT_EQ(xfs_log(bytes).sectors, 0u);
  EXPECT_EQ(xfs_log("").sectors, 0u);
}

TEST(FilesystemsInUse, btrfs_says_so_by_a_log_tree_only) {
  std::string bytes(4096, '\0');
  bytes.replace(0x40, 8, "_BHRfS_M");
  EXPECT_FALSE(btrfs_in_use(bytes));
  bytes[0x62] = 1;
  EXPECT_TRUE(btrfs_in_use(bytes));
}

TEST(FilesystemsInUse, fat_says_that_it_was_unmounted) {
  std::string sector(512, '\0');
  EXPECT_FALSE(fat_unmounted(sector)) << "no FAT";
  EXPECT_FALSE(fat_unmounted(""));
  sector.replace(0x1FE, 2, "\x55\xAA");
  EXPECT_TRUE(fat_unmounted(sector));
  sector[0x41] = 1;  // FAT32
  EXPECT_FALSE(fat_unmounted(sector));
  sector[0x16] = 9;  // FAT16
  EXPECT_TRUE(fat_unmounted(sector));
  sector[0x25] = 1;
  EXPECT_FALSE(fat_unmounted(sector));
}

// SEMANTICS: "filesystems that were unmounted, and no memory saved to its swap"
TEST(FilesystemsInUse, names_what_is_and_what_cannot_be_told) {
  const test::Scratch scratch;
  test::FolderGuest guest(scratch.path());
  Storage storage = guest.storage();
  BlockDevice& device = storage.devices.back();
  const auto in_use = [&] { return filesystems_left(guest, storage).in_use; };
  EXPECT_TRUE(in_use().empty());
  guest.says.device_bytes["/dev/sda1"] = std::string(1024, '\0') + ext(4, 4, 1);
  EXPECT_EQ(in_use(), std::vector<std::string>{"/dev/sda1 (ext4) was not unmounted"});
  device.type = "btrfs";
  EXPECT_TRUE(in_use().empty());
  EXPECT_EQ(filesystems_left(guest, storage).untold, std::vector<std::string>{"/dev/sda1"});
  device.type = "swsuspend";
  EXPECT_EQ(in_use().size(), 1u);
  device.type = "xfs";
  EXPECT_EQ(in_use().size(), 1u) << "no XFS is there";
  device.type = "ntfs";
  EXPECT_TRUE(in_use().empty());
}

// SEMANTICS: "Of a btrfs that cannot be told"
TEST(FilesystemsInUse, a_btrfs_is_believed_where_another_filesystem_was_unmounted) {
  GuestInspection found;
  EXPECT_EQ(why_not_shut_down(found), "");
  found.disks.left.untold = {"/dev/sda2"};
  const std::string untold = "/dev/sda2 (btrfs) does not say whether the guest was shut down";
  EXPECT_EQ(why_not_shut_down(found), untold) << "of a guest that nobody knows";
  found.guests.emplace_back();
  found.chosen = 0;
  EXPECT_EQ(why_not_shut_down(found), "") << "a disk that is not the guest's";
  std::vector<MountpointFacts>& points = found.guests[0].mountpoints;
  points.push_back({"/", "/dev/sda2", "@", "UUID=1", "", "", "btrfs", "defaults", true});
  EXPECT_EQ(why_not_shut_down(found), untold);
  points.push_back({"/boot", "/dev/sda1", "", "UUID=2", "", "", "ext4", "defaults", true});
  EXPECT_EQ(why_not_shut_down(found), untold) << "nothing is known of /boot";
  found.disks.left.unmounted = {"/dev/sda1"};
  EXPECT_EQ(why_not_shut_down(found), "");
  for (const char* const not_always : {"ro", "noauto", "nofail", "umask=077,x-systemd.automount"}) {
    points.back().options = not_always;
    EXPECT_EQ(why_not_shut_down(found), untold) << not_always;
  }
  found.disks.left.in_use = {"it holds memory"};
  EXPECT_EQ(why_not_shut_down(found), "it holds memory") << "what is known comes first";
}

}  // namespace
}  // namespace v2vfs::inspect
