// SPDX-License-Identifier: MIT
#include "convert/guest/cmdline_edits.h"

#include <gtest/gtest.h>

namespace v2vfs::convert {
namespace {

/// /dev/sdXN -> UUID=XN, and for a kernel called "old" /dev/vdXN.
const WordEdit kWords =
    device_words([](std::string_view name, std::string_view kernel) -> std::optional<std::string> {
      if (!name.starts_with("/dev/sd")) return std::nullopt;
      const std::string rest(name.substr(7));
      return kernel == "old" ? "/dev/vd" + rest : "UUID=" + rest;
    });

std::string edited(std::string_view word) {
  return kWords(word, "").value_or("(" + std::string(word) + ")");
}

TEST(Cmdline, words_that_take_a_device) {
  EXPECT_EQ(edited("root=/dev/sda1"), "root=UUID=a1");
  EXPECT_EQ(edited("resume=/dev/sda5"), "resume=UUID=a5");
  EXPECT_EQ(edited("cryptdevice=/dev/sda2:root:allow-discards"),
            "cryptdevice=UUID=a2:root:allow-discards");
  EXPECT_EQ(edited("cryptopts=target=r,source=/dev/sda2,lvm=x"),
            "cryptopts=target=r,source=UUID=a2,lvm=x");
}

TEST(Cmdline, words_that_stay) {
  for (const char* const word :
       {"root=UUID=1", "root=LABEL=/", "root=/dev/mapper/vg-root", "clocksource=acpi_pm",
        "noresume", "rootflags=subvol=@", "xroot=/dev/sda1", "root=", "rd.lvm.lv=vg/root"}) {
    EXPECT_EQ(edited(word), "(" + std::string(word) + ")");
  }
}

TEST(Cmdline, xens_console_is_the_serial_port) {
  const WordEdit edit = console_words();
  EXPECT_EQ(edit("console=hvc0", ""), "console=ttyS0");
  EXPECT_EQ(edit("console=xvc0,115200", ""), "console=ttyS0,115200");
  EXPECT_EQ(edit("console=tty0", ""), std::nullopt);
  EXPECT_EQ(edit("console=hvc01", ""), std::nullopt);
}

TEST(Grub2, lines_of_kernels_alone) {
  EXPECT_EQ(
      edit_grub2(
          "set root='hd0,msdos1'\n# linux /x root=/dev/sda1\n"
          "\tlinux\t/boot/vmlinuz-6  root=/dev/sda1\tro  quiet\n\tlinux16 /old root=/dev/sda1\n"
          "\tinitrd /boot/x\n\techo 'root=/dev/sda1'\n",
          kWords),
      "set root='hd0,msdos1'\n# linux /x root=/dev/sda1\n"
      "\tlinux\t/boot/vmlinuz-6  root=UUID=a1\tro  quiet\n\tlinux16 /old root=/dev/vda1\n"
      "\tinitrd /boot/x\n\techo 'root=/dev/sda1'\n");
}

TEST(Grub2, variables_of_red_hat) {
  EXPECT_EQ(edit_grub2("  set kernelopts=\"root=/dev/sda1 ro resume=/dev/sda2 \"\n", kWords),
            "  set kernelopts=\"root=UUID=a1 ro resume=UUID=a2 \"\n");
}

TEST(GrubLegacy, the_comments_that_update_grub_reads_count) {
  EXPECT_EQ(edit_grub_legacy(
                "# kopt=root=/dev/sda1 ro\n# a comment root=/dev/sda1\n# groot=(hd0,0)\n"
                "kernel\t/vmlinuz root=/dev/sda1 ro\nkernel --no-mem-option /old root=/dev/sda1\n"
                "module /x root=/dev/sda2\n",
                kWords),
            "# kopt=root=UUID=a1 ro\n# a comment root=/dev/sda1\n# groot=(hd0,0)\n"
            "kernel\t/vmlinuz root=UUID=a1 ro\nkernel --no-mem-option /old root=/dev/vda1\n"
            "module /x root=UUID=a2\n");
}

TEST(LoaderEntry, options_wherever_they_stand) {
  EXPECT_EQ(edit_loader_entry(
                "title x root=/dev/sda1\noptions root=/dev/sda1 $tuned\nlinux /boot/old\n", kWords),
            "title x root=/dev/sda1\noptions root=/dev/vda1 $tuned\nlinux /boot/old\n");
}

TEST(Syslinux, append_in_any_case) {
  EXPECT_EQ(
      edit_syslinux(
          "LABEL a\n KERNEL vmlinuz\n APPEND root=/dev/sda1\nlabel b\n append root=/dev/sda2\n",
          kWords),
      "LABEL a\n KERNEL vmlinuz\n APPEND root=UUID=a1\nlabel b\n append root=UUID=a2\n");
}

TEST(GrubDefaults, only_what_is_meant) {
  const auto meant = [](std::string_view name) { return name.starts_with("GRUB_CMDLINE_LINUX"); };
  EXPECT_EQ(edit_cmdline_assignments(
                "GRUB_CMDLINE_LINUX=\"resume=/dev/sda5 quiet\"\n"
                "#GRUB_CMDLINE_LINUX=\"resume=/dev/sda5\"\nOTHER=\"resume=/dev/sda5\"\n"
                "export GRUB_CMDLINE_LINUX_DEFAULT='resume=/dev/sda5'\n",
                meant, kWords),
            "GRUB_CMDLINE_LINUX=\"resume=UUID=a5 quiet\"\n"
            "#GRUB_CMDLINE_LINUX=\"resume=/dev/sda5\"\nOTHER=\"resume=/dev/sda5\"\n"
            "export GRUB_CMDLINE_LINUX_DEFAULT='resume=UUID=a5'\n");
}

std::string block(std::string text) {
  text = "# GRUB Environment Block\n" + text;
  return text + std::string(1024 - text.size(), '#');
}

TEST(Grubenv, keeps_its_size) {
  const WordEdit longer = device_words([](std::string_view, std::string_view) {
    return std::optional<std::string>("UUID=12345678-1234-1234-1234-123456789abc");
  });
  const WordEdit shorter = device_words(
      [](std::string_view, std::string_view) { return std::optional<std::string>("x"); });
  const std::string text = block("saved_entry=1\nkernelopts=root=/dev/sda1 ro\n");
  EXPECT_EQ(edit_grubenv(text, longer),
            block("saved_entry=1\nkernelopts=root=UUID=12345678-1234-1234-1234-123456789abc ro\n"));
  EXPECT_EQ(edit_grubenv(text, shorter), block("saved_entry=1\nkernelopts=root=x ro\n"));
}

TEST(Grubenv, without_room_is_refused) {
  std::string text = "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ";
  text += std::string(1024 - text.size() - 4, 'x') + "\n###";
  const WordEdit longer = device_words([](std::string_view, std::string_view) {
    return std::optional<std::string>("UUID=12345678");
  });
  EXPECT_EQ(edit_grubenv(text, longer), std::nullopt);
}

TEST(LegacyDefault, counts_from_zero) {
  EXPECT_EQ(set_legacy_default("default=0\ntitle a\ndefault 5\n", 2),
            "default=2\ntitle a\ndefault 5\n");
  EXPECT_EQ(set_legacy_default("default\t\tsaved\n", 1), "default\t\t1\n");
  EXPECT_EQ(set_legacy_default("timeout 5\n", 1), "timeout 5\n");
}

}  // namespace
}  // namespace v2vfs::convert
