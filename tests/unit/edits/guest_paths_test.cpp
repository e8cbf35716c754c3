// SPDX-License-Identifier: MIT
#include "fs/guest_paths.h"

#include <gtest/gtest.h>

namespace v2vfs::fs {
namespace {

// SEMANTICS: "Symbolic links are shown relative"
TEST(GuestPaths, links_are_shown_relative_and_never_lead_out) {
  struct {
    const char *link, *target, *shown;
  } const rows[] = {
      {"/etc/mtab", "/proc/self/mounts", "../proc/self/mounts"},
      {"/etc/mtab", "../proc/self/mounts", "../proc/self/mounts"},
      {"/etc/a/b/c", "/etc/x", "../../../etc/x"},
      {"/lib", "usr/lib", "usr/lib"},
      {"/lib", "/usr/lib", "usr/lib"},
      {"/etc/evil", "../../../../etc/shadow", "../etc/shadow"},
      {"/etc/evil", "/../../../etc/shadow", "../etc/shadow"},
      {"/etc/evil", "a/../../../../../etc/shadow", "../etc/shadow"},
      {"/etc/evil", "a/b/../../../..", ".."},
      {"/evil", "../etc/shadow", "etc/shadow"},
      {"/evil", "..", "."},
      {"/root", "/", "./"},
      {"/etc/top", "/", "../"},
      {"/etc/top", "//", "../"},
      {"/etc/loop", "loop", "loop"},
      {"/etc/folder", "other/", "other/"},
      {"/etc/dots", "./a/./b", "a/b"},
      {"/etc/many", "a//b", "a/b"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(shown_target(row.link, row.target), row.shown) << row.link << " -> " << row.target;
  }
}

TEST(GuestPaths, a_target_that_nobody_could_follow_is_none) {
  EXPECT_EQ(shown_target("/etc/a", ""), std::nullopt);
  EXPECT_EQ(shown_target("/etc/a", std::string("x\0y", 3)), std::nullopt);
  EXPECT_EQ(shown_target("/etc/a", "/" + std::string(4096, 'x')), std::nullopt);
  EXPECT_TRUE(shown_target("/etc/a", std::string(4000, 'x')));
}

// SEMANTICS: "What may be written: what is below /etc, /root, /home, /usr/local"
TEST(GuestPaths, configuration_may_be_written) {
  for (const char* path :
       {"/etc/fstab", "/etc/ssh/sshd_config", "/root/.bashrc", "/home/u/.ssh/authorized_keys",
        "/boot/grub/grub.cfg", "/boot/grub/.grub.cfg.swp", "/boot/loader/entries/a.conf",
        "/boot/cmdline.txt", "/usr/lib/systemd/system/a.service", "/lib/systemd/system/a.service",
        "/usr/lib/modprobe.d/x.conf", "/usr/local/bin/tool", "/var/lib/cloud/seed/x"}) {
    EXPECT_EQ(why_not_writable(path), std::nullopt) << path;
  }
}

// SEMANTICS: "no kernels, initrds, or parts of boot loaders, by their names"
TEST(GuestPaths, the_rest_may_not) {
  for (const char* path :
       {"/etc", "/", "/usr/bin/ls", "/usr/lib/libc.so.6", "/usr/lib/systemd", "/lib/modules/x",
        "/var/lib/dpkg/status", "/boot", "/boot/vmlinuz-6.1", "/boot/initrd.img-6.1",
        "/boot/initramfs-5.img", "/boot/efi/EFI/BOOT/BOOTX64.EFI", "/boot/grub/i386-pc/ext2.mod",
        "/etcetera/x", "/proc/1/mem", "/dev/sda", "/etc/a\nb"}) {
    EXPECT_TRUE(why_not_writable(path)) << path;
  }
  EXPECT_TRUE(why_not_writable("/etc/" + std::string(5000, 'x')));
}

TEST(GuestPaths, names) {
  for (const char* name : {"a", "...", ".a", "\xff\xfe", "a\nb", "-rf"}) {
    EXPECT_TRUE(is_file_name(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_FALSE(is_file_name(name)) << name;
  }
}

}  // namespace
}  // namespace v2vfs::fs
