// SPDX-License-Identifier: MIT
#include "tests/support/folder_guest.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "inspect/base/error.h"
#include "tests/support/scratch.h"

namespace v2vfs::test {
namespace {

namespace stdfs = std::filesystem;

class FolderGuestTest : public testing::Test {
 protected:
  FolderGuestTest() : guest_(scratch_.path()) {
    stdfs::create_directories(scratch_.file("etc/deep"));
    std::ofstream(scratch_.file("etc/hostname")) << "web\n";
    stdfs::create_symlink("/etc/hostname", scratch_.file("etc/absolute"));
    stdfs::create_symlink("../../../../../etc/hostname", scratch_.file("etc/deep/climbing"));
    stdfs::create_symlink("loop", scratch_.file("etc/loop"));
  }

  void mount(bool writable = false) { guest_.mount({"/dev/sda1", "/", "", writable}); }
  int error_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.error_number();
    }
    return 0;
  }

  Scratch scratch_;
  FolderGuest guest_;
};

TEST_F(FolderGuestTest, has_no_file_before_a_mount) {
  EXPECT_EQ(error_of([&] { guest_.stat("/etc"); }), ENOENT);
}

TEST_F(FolderGuestTest, resolves_links_inside_the_guest) {
  mount();
  EXPECT_EQ(guest_.resolve("/etc/absolute"), "/etc/hostname");
  EXPECT_EQ(guest_.resolve("/etc/deep/climbing"), "/etc/hostname");
  EXPECT_EQ(guest_.resolve("/etc/loop"), std::nullopt);
  EXPECT_EQ(inspect::read_whole(guest_, "/etc/deep/climbing", 100), "web\n");
  EXPECT_EQ(guest_.stat("/etc/absolute").kind, inspect::FileKind::symlink);
  EXPECT_EQ(guest_.readlink("/etc/absolute"), "/etc/hostname");
}

TEST_F(FolderGuestTest, finds_the_case_that_a_name_has) {
  mount();
  EXPECT_EQ(guest_.resolve_case("/ETC/HostName"), "/etc/hostname");
  EXPECT_EQ(guest_.resolve_case("/ETC/nothing"), std::nullopt);
}

TEST_F(FolderGuestTest, mounts_one_folder_in_another) {
  Scratch boot;
  std::ofstream(boot.file("vmlinuz")) << "kernel";
  stdfs::create_directories(scratch_.file("boot"));
  FolderGuest guest(one_partition(),
                    {{{"/dev/sda1", ""}, scratch_.path()}, {{"/dev/sda2", "@boot"}, boot.path()}});
  guest.mount({"/dev/sda1", "/", "", false});
  guest.mount({"/dev/sda2", "/boot", "@boot", false});
  EXPECT_EQ(guest.read("/boot/vmlinuz", 2, 3), "rne");
  EXPECT_EQ(guest.list("/boot").size(), 1U);
}

TEST_F(FolderGuestTest, is_written_only_where_mounted_writable) {
  mount();
  EXPECT_EQ(error_of([&] { guest_.write_file("/etc/new", "x"); }), EROFS);
  mount(true);
  guest_.write_file("/etc/new", "x");
  guest_.append("/etc/new", "y");
  EXPECT_EQ(error_of([&] { guest_.truncate("/etc/new", 3); }), EINVAL);
  guest_.append("/etc/new", "z");
  guest_.truncate("/etc/new", 2);
  guest_.set_permissions("/etc/new", 0600);
  guest_.rename("/etc/new", "/etc/newer");
  EXPECT_EQ(guest_.read("/etc/newer", 0, 10), "xy");
  EXPECT_EQ(guest_.stat("/etc/newer").permissions, 0600U);
}

TEST_F(FolderGuestTest, refuses_to_read_what_is_no_file) {
  mount();
  ASSERT_EQ(::mkfifo(scratch_.file("etc/fifo").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { guest_.read("/etc/fifo", 0, 1); }), EINVAL);
  EXPECT_EQ(error_of([&] { guest_.read("/etc", 0, 1); }), EINVAL);
}

TEST_F(FolderGuestTest, says_what_the_test_put_into_it) {
  guest_.says.locked["/dev/sda2"] = {"secret", one_partition()};
  EXPECT_EQ(error_of([&] { guest_.unlock("/dev/sda2", "wrong", "m"); }), EACCES);
  guest_.unlock("/dev/sda2", "secret", "m");
  EXPECT_EQ(guest_.storage().devices.size(), 4U);
  guest_.says.registry["/SOFTWARE"]["Microsoft\\Windows"].values["Name"] = {1, "x"};
  EXPECT_EQ(guest_.registry_value("/software", "microsoft\\windows", "name")->bytes, "x");
  guest_.says.device_bytes["/dev/sda"] = "GRUB";
  EXPECT_EQ(guest_.read_device("/dev/sda", 2, 4), std::string("UB\0\0", 4));
}

}  // namespace
}  // namespace v2vfs::test
