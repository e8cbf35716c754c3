// SPDX-License-Identifier: MIT
// Images made by hand in the shape that each tool gives them.
#include <gtest/gtest.h>

#include "convert/guest/initrd_supplement.h"
#include "tests/support/compressors.h"
#include "tests/unit/initrd/made_up_initrd.h"

namespace v2vfs::convert {
namespace {

using namespace std::string_literals;
using test::guest_module;
using test::InitrdMaker;
using test::kRelease;
using test::MadeUpGuest;

const std::string kFolder = "lib/modules/"s + kRelease;
const std::vector<std::string> kOfRoot = {"kernel/drivers/message/fusion/mptspi.ko",
                                          "kernel/drivers/scsi/scsi_mod.ko",
                                          "kernel/fs/ext4/ext4.ko", "kernel/fs/jbd2/jbd2.ko"};

/// Each name once in the supplement, no entry over a link, the driver where `name` says.
inspect::InitrdArchive supplemented(MadeUpGuest& guest, const InitrdMaker& maker,
                                    const std::string& name) {
  const Supplement made = guest.apply(test::gzip(maker.archive()));
  EXPECT_EQ(made.refusal, "");
  const inspect::InitrdArchive found = guest.image();
  EXPECT_EQ(found.problem + found.tail, "");
  EXPECT_EQ(found.files.count(name), 1u) << name;
  for (const std::string& entry : made.entries) {
    EXPECT_TRUE(entry != "lib" && entry != "usr" && entry != "usr/lib") << entry;
  }
  EXPECT_FALSE(guest.make(guest.read(guest.request.image)).needed());
  return found;
}

TEST(InitrdShapes, old_initramfs_tools_without_merged_usr) {
  MadeUpGuest guest;
  InitrdMaker maker;
  maker.file("conf/initramfs.conf", "").file("conf/modules", "").file("scripts/functions", "");
  maker.file("sbin/udevd", "").modules(kFolder, kOfRoot);
  const auto found = supplemented(guest, maker, kFolder + "/kernel/drivers/block/virtio_blk.ko");
  EXPECT_NE(found.files.at("conf/modules").find("virtio_blk"), std::string::npos);
}

TEST(InitrdShapes, dracut_with_systemd) {
  MadeUpGuest guest(".xz");
  InitrdMaker maker;
  maker.merged_usr().file("usr/lib/dracut-lib.sh", "").file("usr/lib/systemd/systemd-udevd", "");
  maker.file("etc/cmdline.d/00-x.conf", "root=/dev/sda1\n").modules("usr/" + kFolder, kOfRoot);
  guest.request.files = {{"etc/cmdline.d/00-x.conf", "root=UUID=1\n"}};
  const auto found =
      supplemented(guest, maker, "usr/" + kFolder + "/kernel/drivers/block/virtio_blk.ko");
  EXPECT_EQ(found.files.at("etc/cmdline.d/00-x.conf"), "root=UUID=1\n");
}

TEST(InitrdShapes, mkinitcpio_flattened_with_its_binary_index_only) {
  MadeUpGuest guest(".zst");
  std::map<std::string, std::string> flat;
  for (const std::string& path : kOfRoot) {
    flat["kernel" + path.substr(path.rfind('/'))] = guest_module(path);
  }
  InitrdMaker maker;
  maker.merged_usr().file("init_functions", "").file("config", "MODULES=\"\"\nHOOKS=\"udev\"\n");
  for (const auto& [path, content] : flat) maker.file("usr/" + kFolder + "/" + path, content);
  for (const auto& [name, text] : test::depmod_index(flat)) {
    if (name.ends_with(".bin")) maker.file("usr/" + kFolder + "/" + name, text);
  }
  const auto found =
      supplemented(guest, maker, "usr/" + kFolder + "/kernel/drivers/block/virtio_blk.ko");
  EXPECT_NE(
      found.files.at("usr/" + kFolder + "/modules.dep").find("kernel/ext4.ko: kernel/jbd2.ko"),
      std::string::npos);
  EXPECT_NE(found.files.at("config").find("MODULES=\"$MODULES virtio_pci"), std::string::npos);
}

TEST(InitrdShapes, alpine_with_gzip_modules) {
  MadeUpGuest guest(".gz");
  InitrdMaker maker;
  maker.file("sbin/nlplug-findfs", "");
  for (const std::string& path : kOfRoot) {
    maker.file(kFolder + "/" + path + ".gz", test::gzip(guest_module(path)));
  }
  const auto found = supplemented(guest, maker, kFolder + "/kernel/drivers/block/virtio_blk.ko");
  EXPECT_NE(found.files.at(kFolder + "/modules.dep").find("kernel/fs/ext4/ext4.ko.gz:"),
            std::string::npos);
}

TEST(InitrdShapes, suse_11_with_its_list_and_absolute_paths) {
  MadeUpGuest guest;
  InitrdMaker maker;
  const std::string list =
      "[ \"$RESOLVED_INITRD_MODULES\" ] || RESOLVED_INITRD_MODULES='thermal mptspi'\n";
  maker.file("run_all.sh", list).file("config/start.sh", list).file("sbin/udevd", "");
  std::string dep;
  for (const std::string& path : kOfRoot) {
    maker.file(kFolder + "/" + path, guest_module(path));
    dep += "/" + kFolder + "/" + path + ":\n";
  }
  maker.file(kFolder + "/modules.dep", dep);
  const auto found = supplemented(guest, maker, kFolder + "/kernel/drivers/block/virtio_blk.ko");
  for (const char* const name : {"run_all.sh", "config/start.sh"}) {
    EXPECT_NE(found.files.at(name).find("='virtio_pci virtio_blk virtio_scsi sd_mod virtio_net "
                                        "thermal mptspi'"),
              std::string::npos);
  }
  EXPECT_NE(found.files.at(kFolder + "/modules.dep")
                .find("/" + kFolder + "/kernel/drivers/block/virtio_blk.ko: /" + kFolder),
            std::string::npos);
}

TEST(InitrdShapes, nash_with_its_script) {
  MadeUpGuest guest;
  guest.request.drivers = {"virtio_pci", "virtio_blk", "virtio_net"};
  InitrdMaker maker;
  maker.file("bin/nash", "", 0100755)
      .file("init",
            "#!/bin/nash\nmkblkdevs\necho \"Loading mptspi.ko module\"\ninsmod "
            "/lib/mptspi.ko\nmkrootdev /dev/sda1\n",
            0100700)
      .file("lib/mptspi.ko", guest_module("kernel/drivers/message/fusion/mptspi.ko"));
  const auto found = supplemented(guest, maker, "lib/virtio_blk.ko");
  const std::string& script = found.files.at("init");
  EXPECT_LT(script.find("insmod /lib/virtio_ring.ko"), script.find("insmod /lib/virtio_blk.ko"));
  EXPECT_LT(script.find("insmod /lib/virtio_blk.ko"), script.find("insmod /lib/mptspi.ko"));
  EXPECT_EQ(found.files.count("lib/modules.dep"), 0u);
  for (const auto& entry : found.entries) {
    if (entry.name == "init") {
      EXPECT_EQ(entry.mode, 0100700u);
    }
  }
}

TEST(InitrdShapes, one_without_any_module) {
  MadeUpGuest guest;
  InitrdMaker maker;
  maker.merged_usr().file("usr/lib/systemd/systemd-udevd", "").file("usr/lib/dracut-lib.sh", "");
  supplemented(guest, maker, "usr/" + kFolder + "/kernel/drivers/block/virtio_blk.ko");
}

TEST(InitrdShapes, weak_updates_that_are_links) {
  MadeUpGuest guest;
  InitrdMaker maker;
  maker.file("usr/lib/dracut-lib.sh", "").file("sbin/udevd", "");
  maker.file("lib/modules/5.0/extra/kmod-x.ko", guest_module("kernel/fs/jbd2/jbd2.ko"));
  maker.link(kFolder + "/weak-updates/kmod-x.ko", "/lib/modules/5.0/extra/kmod-x.ko");
  maker.file(kFolder + "/kernel/fs/ext4/ext4.ko", guest_module("kernel/fs/ext4/ext4.ko"));
  const auto found = supplemented(guest, maker, kFolder + "/kernel/drivers/block/virtio_blk.ko");
  EXPECT_NE(found.files.at(kFolder + "/modules.dep")
                .find("kernel/fs/ext4/ext4.ko: weak-updates/kmod-x.ko"),
            std::string::npos);
}

TEST(InitrdShapes, unknown_tools_are_left_alone) {
  MadeUpGuest guest;
  InitrdMaker maker;
  maker.file("init", "#!/bin/sh\n").modules(kFolder, kOfRoot);
  EXPECT_NE(guest.apply(test::gzip(maker.archive())).refusal.find("which tool"), std::string::npos);
  maker = InitrdMaker();
  maker.file("etc/booster.init.yaml", "").file("usr/lib/x", "");
  EXPECT_NE(guest.apply(test::gzip(maker.archive())).refusal.find("booster"), std::string::npos);
}

}  // namespace
}  // namespace v2vfs::convert
