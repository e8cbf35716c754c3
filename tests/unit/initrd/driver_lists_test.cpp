// SPDX-License-Identifier: MIT
#include "convert/guest/driver_lists.h"

#include <gtest/gtest.h>

namespace v2vfs::convert {
namespace {

const std::vector<ListedDriver> kDrivers = {
    {"virtio", "lib/virtio.ko", {}, false},
    {"virtio_ring", "lib/virtio_ring.ko", {"virtio"}, false},
    {"virtio_pci", "lib/virtio_pci.ko", {"virtio_ring", "virtio"}, true},
    {"virtio_blk", "lib/virtio_blk.ko", {"virtio_ring", "virtio"}, true}};

/// The lists of an image that has ours already are left alone.
std::string changed_once(ListedImage image, const std::string& name) {
  const DriverLists first = driver_lists(image, kDrivers);
  EXPECT_EQ(first.refusal, "");
  if (first.files.count(name) == 0) return "";
  for (const auto& [changed, text] : first.files) image.files[changed] = text;
  EXPECT_TRUE(driver_lists(image, kDrivers).files.empty()) << name << " is changed twice";
  return first.files.at(name);
}

TEST(DriverLists, of_initramfs_tools_are_lines_of_conf_modules) {
  EXPECT_EQ(changed_once(
                {"initramfs-tools", {{"conf/modules", "unix\n# virtio_pci\nvirtio-blk x=1"}}, true},
                "conf/modules"),
            "unix\n# virtio_pci\nvirtio-blk x=1\nvirtio_pci\n");
  EXPECT_EQ(changed_once({"initramfs-tools", {{"conf/modules", ""}}, true}, "conf/modules"),
            "virtio_pci\nvirtio_blk\n");
  EXPECT_TRUE(driver_lists({"initramfs-tools", {}, true}, kDrivers).files.empty());
}

TEST(DriverLists, of_mkinitcpio_are_appended_to_what_its_shell_reads) {
  EXPECT_EQ(changed_once(
                {"mkinitcpio", {{"config", "MODULES=\"ext4 virtio-blk\"\nHOOKS=\"udev\"\n"}}, true},
                "config"),
            "MODULES=\"ext4 virtio-blk\"\nHOOKS=\"udev\"\nMODULES=\"$MODULES virtio_pci\"\n");
  EXPECT_EQ(changed_once({"mkinitcpio", {{"config", "HOOKS='udev'"}}, true}, "config"),
            "HOOKS='udev'\nMODULES=\"$MODULES virtio_pci virtio_blk\"\n");
}

TEST(DriverLists, of_tools_that_load_by_alias_are_none) {
  for (const char* const generator : {"dracut", "mkinitfs", "make-initrd"}) {
    const DriverLists lists = driver_lists({generator, {{"conf/modules", "x\n"}}, true}, kDrivers);
    EXPECT_EQ(lists.refusal, "");
    EXPECT_TRUE(lists.files.empty());
  }
  EXPECT_EQ(driver_lists({"", {}, true}, kDrivers).refusal, "");
  EXPECT_NE(driver_lists({"", {}, false}, kDrivers).refusal, "");
  EXPECT_NE(driver_lists({"booster", {}, true}, kDrivers).refusal, "");
}

// Red Hat Enterprise Linux 5, as its mkinitrd writes it.
const std::string kNash =
    "#!/bin/nash\n\nmount -t proc /proc /proc\nsetquiet\necho Mounting proc filesystem\n"
    "echo Creating block device nodes.\nmkblkdevs\n"
    "echo \"Loading scsi_mod.ko module\"\ninsmod /lib/scsi_mod.ko\n"
    "echo \"Loading mptspi.ko module\"\ninsmod /lib/mptspi.ko\n"
    "echo Waiting for driver initialization.\nstabilized --hash --interval 250 /proc/scsi/scsi\n"
    "mkrootdev -t ext3 -o defaults,ro /dev/VolGroup00/LogVol00\n";

TEST(DriverLists, of_nash_come_before_its_first_driver) {
  EXPECT_EQ(changed_once({"mkinitrd", {{"init", kNash}}, false}, "init"),
            "#!/bin/nash\n\nmount -t proc /proc /proc\nsetquiet\necho Mounting proc filesystem\n"
            "echo Creating block device nodes.\nmkblkdevs\n"
            "echo \"Loading virtio.ko module\"\ninsmod /lib/virtio.ko\n"
            "echo \"Loading virtio_ring.ko module\"\ninsmod /lib/virtio_ring.ko\n"
            "echo \"Loading virtio_pci.ko module\"\ninsmod /lib/virtio_pci.ko\n"
            "echo \"Loading virtio_blk.ko module\"\ninsmod /lib/virtio_blk.ko\n" +
                kNash.substr(kNash.find("echo \"Loading scsi_mod")));
}

TEST(DriverLists, of_nash_come_behind_what_they_need) {
  const DriverLists lists = driver_lists({"mkinitrd", {{"init", kNash}}, false},
                                         {{"sd_mod", "lib/sd_mod.ko", {"scsi_mod"}, true}});
  EXPECT_NE(lists.files.at("init").find("insmod /lib/scsi_mod.ko\necho \"Loading sd_mod.ko "
                                        "module\"\ninsmod /lib/sd_mod.ko\necho \"Loading mptspi"),
            std::string::npos);
}

TEST(DriverLists, of_nash_need_a_script_that_loads_drivers) {
  EXPECT_NE(
      driver_lists({"mkinitrd", {{"init", "#!/bin/nash\nmkrootdev x\n"}}, false}, kDrivers).refusal,
      "");
  EXPECT_NE(driver_lists({"mkinitrd", {}, false}, kDrivers).refusal, "");
  EXPECT_NE(driver_lists({"mkinitrd", {{"init", "#! insmod x\n"}}, false}, kDrivers).refusal, "");
}

TEST(DriverLists, of_suse_stand_in_two_files) {
  const std::string list =
      "[ \"$RESOLVED_INITRD_MODULES\" ] || RESOLVED_INITRD_MODULES='thermal mptspi'\n";
  const ListedImage image = {
      "mkinitrd-suse", {{"run_all.sh", "x\n" + list}, {"config/start.sh", list}}, true};
  EXPECT_EQ(changed_once(image, "run_all.sh"),
            "x\n[ \"$RESOLVED_INITRD_MODULES\" ] || RESOLVED_INITRD_MODULES='virtio_pci virtio_blk "
            "thermal mptspi'\n");
  EXPECT_EQ(driver_lists(image, kDrivers).files.size(), 2u);
  EXPECT_NE(driver_lists({"mkinitrd-suse", {{"run_all.sh", "x"}}, true}, kDrivers).refusal, "");
}

TEST(DriverLists, are_left_alone_without_drivers) {
  EXPECT_TRUE(driver_lists({"mkinitrd", {}, false}, {}).refusal.empty());
}

}  // namespace
}  // namespace v2vfs::convert
