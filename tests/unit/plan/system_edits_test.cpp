// SPDX-License-Identifier: MIT
#include "convert/guest/system_edits.h"

#include <gtest/gtest.h>

namespace v2vfs::convert {
namespace {

TEST(Inittab, the_login_moves_to_the_serial_port) {
  EXPECT_EQ(edit_inittab_console("co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n# hvc0\n"),
            "co:2345:respawn:/sbin/agetty ttyS0 9600 vt100-nav\n# hvc0\n");
}

TEST(Inittab, two_logins_on_one_port_are_one_too_many) {
  EXPECT_EQ(edit_inittab_console("a:2:respawn:/sbin/getty hvc0\nb:2:respawn:/sbin/getty ttyS0 x\n"),
            "#a:2:respawn:/sbin/getty hvc0\nb:2:respawn:/sbin/getty ttyS0 x\n");
}

TEST(Inittab, logins_that_citrix_took_come_back) {
  EXPECT_EQ(restore_inittab_logins(
                "#1:2345:respawn:/sbin/getty 38400 tty1\n"
                "2:23:respawn:/sbin/getty 38400 tty2\n#2:23:respawn:/sbin/getty 38400 tty2\n"
                "#T0:23:respawn:/sbin/getty ttyS0\n# a comment\n"),
            "1:2345:respawn:/sbin/getty 38400 tty1\n"
            "2:23:respawn:/sbin/getty 38400 tty2\n#2:23:respawn:/sbin/getty 38400 tty2\n"
            "#T0:23:respawn:/sbin/getty ttyS0\n# a comment\n");
}

TEST(Securetty, ttyS0_once) {
  EXPECT_EQ(edit_securetty("tty1\nhvc0\n"), "tty1\nttyS0\n");
  EXPECT_EQ(edit_securetty("ttyS0\nhvc0\n"), "ttyS0\nhvc0\n");
}

TEST(Xorg, a_hypervisors_driver_alone) {
  EXPECT_EQ(
      edit_xorg("Section \"a\"\n\tDriver \"vmware\" # x\nSection \"b\"\n\tdriver\t\"VBoxVideo\"\n"
                "Section \"c\"\n\tDriver \"nvidia\"\n",
                "vesa"),
      "Section \"a\"\n\tDriver \"vesa\" # x\nSection \"b\"\n\tdriver\t\"vesa\"\n"
      "Section \"c\"\n\tDriver \"nvidia\"\n");
}

TEST(Xorg, the_card_is_at_another_place) {
  EXPECT_EQ(
      edit_xorg("Section \"Device\"\n\tBusID \"PCI:0:15:0\"\n\tDriver \"vmware\"\nEndSection\n"
                "Section \"Device\"\n\tBusID \"PCI:1:0:0\"\n\tDriver \"nvidia\"\nEndSection\n",
                "vesa"),
      "Section \"Device\"\n#\tBusID \"PCI:0:15:0\"\n\tDriver \"vesa\"\nEndSection\n"
      "Section \"Device\"\n\tBusID \"PCI:1:0:0\"\n\tDriver \"nvidia\"\nEndSection\n");
}

TEST(Modprobe, aliases_name_the_new_drivers) {
  EXPECT_EQ(
      edit_modprobe_aliases("alias eth0 vmxnet\nalias scsi_hostadapter mptbase\n"
                            "alias scsi_hostadapter1 mptspi\nalias scsi_hostadapter2 ata_piix\n"
                            "# alias eth1 vmxnet\nalias ethernet x y\noptions mptspi a=1\n",
                            "virtio_net", {"virtio_blk", "virtio_pci"}),
      "alias eth0 virtio_net\nalias scsi_hostadapter virtio_blk\n"
      "alias scsi_hostadapter1 virtio_pci\n"
      "# alias eth1 vmxnet\nalias ethernet x y\noptions mptspi a=1\n");
}

TEST(Repositories, of_vmware_are_off) {
  EXPECT_EQ(disable_vmware_repositories("[a]\nbaseurl=http://packages.vmware.com/x\nenabled=1\n"
                                        "[b]\nbaseurl=http://example.org\nenabled=1\n"
                                        "[c]\nbaseurl=http://packages.vmware.com/y\n"),
            "[a]\nbaseurl=http://packages.vmware.com/x\nenabled=0\n"
            "[b]\nbaseurl=http://example.org\nenabled=1\n"
            "[c]\nenabled=0\nbaseurl=http://packages.vmware.com/y\n");
  EXPECT_EQ(disable_vmware_repositories("[a]\nbaseurl=http://packages.vmware.com/\nenabled =\n"),
            "[a]\nbaseurl=http://packages.vmware.com/\nenabled =0\n");
  EXPECT_EQ(
      disable_vmware_sources("deb http://packages.vmware.com/x y main\ndeb http://example.org z\n"),
      "#deb http://packages.vmware.com/x y main\ndeb http://example.org z\n");
}

TEST(Words, come_behind_those_that_are_there) {
  EXPECT_EQ(add_words("INITRD_MODULES=\"mptspi xenblk ext3\" # c\n", "INITRD_MODULES",
                      {"virtio_blk"}, {"xenblk"}),
            "INITRD_MODULES=\"mptspi ext3 virtio_blk\" # c\n");
  EXPECT_EQ(add_words("X=\"xenblk\"\n", "X", {}, {"xenblk"}), "X=\"\"\n");
  EXPECT_EQ(add_words("X=\"xenblk  xenblk\"\n", "X", {"a"}, {"xenblk"}), "X=\"a\"\n");
  EXPECT_EQ(add_words("X=\" b  c \"\n", "X", {"a"}), "X=\" b  c  a\"\n");
  EXPECT_EQ(add_words("X=\"a xenblk\"\n", "X", {}, {"xenblk"}), "X=\"a\"\n");
  EXPECT_EQ(add_words("MODULES=()\n", "MODULES", {"a", "b"}), "MODULES=(a b)\n");
  EXPECT_EQ(add_words("MODULES=(b)\n", "MODULES", {"a", "b"}), "MODULES=(b a)\n");
  EXPECT_EQ(add_words("#MODULES=(b)\n", "MODULES", {"a"}), "#MODULES=(b)\n");
}

TEST(SystemEdits, twice_is_once) {
  const std::string text =
      "a:2:respawn:/sbin/getty hvc0\n#1:2345:respawn:/sbin/getty 38400 tty1\nDriver \"vmware\"\n"
      "alias eth0 vmxnet\nalias scsi_hostadapter a\nalias scsi_hostadapter1 b\nalias "
      "scsi_hostadapter2 c\n"
      "[a]\nbaseurl=http://packages.vmware.com/\nX=\"a b\"\nhvc0\n";
  const std::string once[] = {edit_inittab_console(text),
                              restore_inittab_logins(text),
                              edit_xorg(text, "vesa"),
                              edit_modprobe_aliases(text, "n", {"x", "y"}),
                              disable_vmware_repositories(text),
                              add_words(text, "X", {"c"}, {"a"}),
                              edit_securetty(text)};
  for (const std::string& each : once) EXPECT_NE(each, text);
  EXPECT_EQ(edit_inittab_console(once[0]), once[0]);
  EXPECT_EQ(restore_inittab_logins(once[1]), once[1]);
  EXPECT_EQ(edit_xorg(once[2], "vesa"), once[2]);
  EXPECT_EQ(edit_modprobe_aliases(once[3], "n", {"x", "y"}), once[3]);
  EXPECT_EQ(disable_vmware_repositories(once[4]), once[4]);
  EXPECT_EQ(add_words(once[5], "X", {"c"}, {"a"}), once[5]);
  EXPECT_EQ(edit_securetty(once[6]), once[6]);
}

}  // namespace
}  // namespace v2vfs::convert
