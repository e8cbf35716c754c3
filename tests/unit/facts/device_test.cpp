// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "inspect/guest/device_names.h"
#include "inspect/guest/fragile_devices.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/mount_plan.h"

namespace v2vfs::inspect {
namespace {

/// Two disks: sda with boot, a LUKS container under LVM, sdb with an md member; by the appliance's
/// names.
Storage two_disks() {
  Storage s;
  s.devices = {{"/dev/sda", BlockKind::disk, {}, 1, "", "", ""},
               {"/dev/sdb", BlockKind::disk, {}, 1, "", "", ""},
               {"/dev/sda1", BlockKind::partition, {"/dev/sda"}, 1, "ext4", "AAAA-1", "boot fs"},
               {"/dev/sda2",
                BlockKind::partition,
                {"/dev/sda"},
                1,
                "crypto_LUKS",
                "01234567-89ab-4def-8000-000000000001",
                ""},
               {"/dev/sdb1",
                BlockKind::partition,
                {"/dev/sdb"},
                1,
                "linux_raid_member",
                "aabbccdd-1122-3344-5566-77889900aabb",
                ""},
               {"/dev/mapper/luks-01234567-89ab-4def-8000-000000000001",
                BlockKind::luks_mapping,
                {"/dev/sda2"},
                1,
                "LVM2_member",
                "pv",
                ""},
               {"/dev/md127", BlockKind::md_array, {"/dev/sdb1"}, 1, "xfs", "BBBB-2", ""},
               {"/dev/vg-a/root", BlockKind::logical_volume, {}, 1, "ext4", "CCCC-3", ""}};
  s.tables = {{"/dev/sda", 0, "gpt", "g"}, {"/dev/sdb", 1, "msdos", "12345678"}};
  PartitionEntry one;
  one.device = "/dev/sda1";
  one.disk = "/dev/sda";
  one.number = 1;
  one.partuuid = "11111111-2222-4333-8444-555555555555";
  one.partlabel = "EFI part";
  PartitionEntry two = one;
  two.device = "/dev/sda2";
  two.number = 2;
  two.partuuid = "22222222-2222-4333-8444-555555555555";
  two.partlabel = "";
  PartitionEntry three = one;
  three.device = "/dev/sdb1";
  three.disk = "/dev/sdb";
  three.partuuid = "12345678-01";
  three.partlabel = "";
  s.partitions = {one, two, three};
  s.volumes = {{"/dev/vg-a/root", "vg-a", "root", "abcdef-GHIJ-KLMN-OPQR-STUV-WXYZ-012345"}};
  return s;
}

class Names : public ::testing::Test {
 protected:
  std::string of(const std::string& spec) { return names_.resolve(spec).value_or("none"); }

  Storage storage_ = two_disks();
  DeviceNames names_{storage_};
};

TEST_F(Names, resolve_every_spelling) {
  names_.set_crypttab(
      parse_crypttab("cr_root UUID=01234567-89ab-4def-8000-000000000001 none luks\n"));
  names_.set_arrays(
      parse_mdadm_conf("ARRAY /dev/md0 metadata=1.2 name=host:data\n"
                       "   UUID=aabbccdd:11223344:55667788:9900aabb\n"));
  names_.set_root("/dev/vg-a/root");
  const std::string mapping = "/dev/mapper/luks-01234567-89ab-4def-8000-000000000001";
  const std::pair<const char*, std::string> specs[] = {
      {"UUID=aaaa-1", "/dev/sda1"},
      {"LABEL=boot fs", "/dev/sda1"},
      {"PARTUUID=11111111-2222-4333-8444-555555555555", "/dev/sda1"},
      {"PARTUUID=12345678-01", "/dev/sdb1"},
      {"PARTLABEL=EFI part", "/dev/sda1"},
      {"/dev/disk/by-uuid/BBBB-2", "/dev/md127"},
      {"/dev/disk/by-label/boot\\x20fs", "/dev/sda1"},
      {"/dev/disk/by-partuuid/12345678-01", "/dev/sdb1"},
      {"/dev/disk/by-partlabel/EFI\\x20part", "/dev/sda1"},
      {"/dev/disk/by-id/"
       "dm-uuid-LVM-0000000000000000000000000000000abcdefGHIJKLMNOPQRSTUVWXYZ012345",
       "/dev/vg-a/root"},
      {"/dev/disk/by-id/dm-name-vg--a-root", "/dev/vg-a/root"},
      {"/dev/disk/by-id/md-uuid-aabbccdd:11223344:55667788:9900aabb", "/dev/md127"},
      {"/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-0123456789ab4def8000000000000001-cr_root", mapping},
      {"/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1", "/dev/sdb1"},
      {"/dev/mapper/vg--a-root", "/dev/vg-a/root"},
      {"/dev/mapper/cr_root", mapping},
      {"/dev/vg-a/root", "/dev/vg-a/root"},
      {"/dev/md0", "/dev/md127"},
      {"/dev/md/data", "/dev/md127"},
      {"/dev/sdb1", "/dev/sdb1"},
      {"/dev/xvda2", "/dev/sda2"},
      {"/dev/nvme0n2p1", "/dev/sdb1"},
      {"/dev/nvme1n1p1", "/dev/sdb1"},
      {"/dev/root", "/dev/vg-a/root"},
      {"/dev/sdc1", "none"},
      {"/dev/sda9", "none"},
      {"/dev/mapper/other", "none"},
      {"UUID=", "none"},
      {"tmpfs", "none"},
      {"host:/export", "none"},
      {"", "none"},
  };
  for (const auto& [spec, device] : specs) EXPECT_EQ(of(spec), device) << spec;
}

TEST_F(Names, survive_mappings_that_name_each_other) {
  names_.set_crypttab(
      parse_crypttab("a /dev/mapper/b\nb /dev/mapper/a\nc /dev/disk/by-id/dm-name-c\n"));
  EXPECT_EQ(of("/dev/mapper/a"), "none");
  EXPECT_EQ(of("/dev/mapper/c"), "none");
}

TEST_F(Names, give_stable_names) {
  EXPECT_EQ(names_.stable_name("/dev/sda1"), "UUID=AAAA-1");
  EXPECT_EQ(names_.stable_name("/dev/sdb1"), "PARTUUID=12345678-01");
  EXPECT_FALSE(names_.stable_name("/dev/vg-a/root"));
}

TEST(FragileNames, are_those_that_hardware_decides) {
  for (const char* const name :
       {"/dev/sda1", "/dev/hdc", "/dev/xvdb", "/dev/nvme0n1p2", "/dev/vda1",
        "/dev/disk/by-path/pci-1", "/dev/disk/by-id/ata-X-part1", "/dev/mmcblk0p1",
        "/dev/cciss/c0d0p1"}) {
    EXPECT_TRUE(is_fragile_device(name)) << name;
  }
  for (const char* const name : {"UUID=1", "/dev/mapper/x", "/dev/vg/lv", "/dev/md0", "/dev/sda1x",
                                 "/dev/disk/by-id/dm-name-x", "/dev/disk/by-uuid/1", "/dev/sdaaaa1",
                                 "/dev/nvme0", "/dev/sd", "sda1", ""}) {
    EXPECT_FALSE(is_fragile_device(name)) << name;
  }
}

TEST(Fstab, reads_what_the_format_allows) {
  const auto entries = parse_fstab(
      "# c\n\n  UUID=\"a b\" / ext4\n"
      "LABEL=x\\040y\t/mnt/a\\011b  xfs  noauto,subvol=@/x,uid=5 1 2\n/dev/sda1\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].line, 4u);
  EXPECT_EQ(entries[1].spec, "LABEL=x y");
  EXPECT_EQ(entries[1].path, "/mnt/a\tb");
  EXPECT_EQ(entries[1].pass, 2u);
  EXPECT_TRUE(entries[1].has_option("noauto"));
  EXPECT_FALSE(entries[1].has_option("auto"));
  EXPECT_EQ(entries[1].option("subvol"), "@/x");
  EXPECT_FALSE(entries[0].option("subvol"));
}

TEST(Fstab, keeps_to_its_bounds) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "a /b c\n";
  EXPECT_LE(parse_fstab(text).size(), 100'000u);
  EXPECT_TRUE(parse_fstab(std::string(1 << 20, ' ')).empty());
  EXPECT_EQ(parse_fstab("\\0 \\ \\04\n").size(), 1u);
}

TEST(PlainPath, refuses_to_climb) {
  EXPECT_EQ(plain_path("//a/./b/"), "/a/b");
  EXPECT_EQ(plain_path("/"), "/");
  EXPECT_FALSE(plain_path("/a/../../etc"));
  EXPECT_FALSE(plain_path("none"));
}

TEST(MountPlan, puts_the_tree_together) {
  DiskFacts disks;
  disks.storage = two_disks();
  disks.storage.devices.push_back({"/dev/sdc", BlockKind::disk, {}, 1, "btrfs", "DDDD", ""});
  disks.btrfs = {{"/dev/sdc", {{257, 5, "@/home", false, false}}}};
  const DeviceNames names(disks.storage);
  const auto fstab = parse_fstab(
      "UUID=DDDD / btrfs subvol=@ 0 0\nUUID=DDDD /home btrfs subvolid=257 0 0\n"
      "/dev/md127 /srv/deep/er xfs defaults 0 0\nUUID=AAAA-1 /srv ext4 noauto 0 0\n"
      "UUID=AAAA-1 /boot ext4 defaults 0 0\nUUID=BBBB-2 /boot xfs defaults 0 0\n"
      "/home /opt none bind 0 0\ntmpfs /tmp tmpfs x 0 0\nUUID=none /gone ext4 nofail 0 0\n"
      "UUID=AAAA-1 /../etc ext4 d 0 0\nUUID=CCCC-3 none swap sw 0 0\n");
  const MountPlan plan = plan_mounts("/dev/sdc", "@", fstab, names, disks);
  std::vector<std::string> mounts;
  for (const GuestMount& m : plan.mounts) {
    mounts.push_back(m.mountpoint + " " + m.device + " " + m.subvolume);
    EXPECT_FALSE(m.writable);
  }
  EXPECT_EQ(mounts, (std::vector<std::string>{"/ /dev/sdc @", "/home /dev/sdc @/home",
                                              "/boot /dev/md127 ", "/srv/deep/er /dev/md127 "}));
  EXPECT_EQ(plan.mountpoints.size(), 6u);  // and /srv, /gone
  EXPECT_EQ(plan.mountpoints[0].spec, "UUID=DDDD");
}

TEST(FragileDevices, name_their_line_and_what_to_write) {
  const Storage storage = two_disks();
  const DeviceNames names(storage);
  const auto found =
      fragile_devices(parse_fstab("\n/dev/sda1 / ext4\n/dev/mapper/vg--a-root /x ext4\n"),
                      parse_crypttab("x /dev/sdb1 none\n"), names);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].line, 2u);
  EXPECT_EQ(found[0].replacement, "UUID=AAAA-1");
  EXPECT_EQ(found[1].file, "/etc/crypttab");
  EXPECT_EQ(found[1].replacement, "PARTUUID=12345678-01");
}

TEST(FragileDevices, stand_in_kernel_command_lines) {
  const Storage storage = two_disks();
  const DeviceNames names(storage);
  const std::string text =
      "# kopt=root=/dev/sdb1\n"
      "set root='hd0,msdos1'\n"
      "search --no-floppy --fs-uuid --set=root UUID\n"
      "\tlinux\t/vmlinuz root=/dev/sda1 ro resume=/dev/sdb2 quiet\n"
      "linux /vmlinuz root=UUID=AAAA-1 resume=/dev/vg-a/swap\n"
      "GRUB_CMDLINE_LINUX=\"root=/dev/hda1 quiet\"\n"
      "RESUME='/dev/xvda1'\n"
      "options cryptdevice=/dev/sda2:root root=/dev/mapper/root\n"
      "noresume=/dev/sda1 xroot=/dev/sda1 root=\n";
  std::vector<std::string> found;
  for (const FragileDevice& each : fragile_words("/boot/x", text, names)) {
    EXPECT_EQ(each.file, "/boot/x");
    found.push_back(std::to_string(each.line) + " " + each.name + " " + each.replacement);
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{"4 /dev/sda1 UUID=AAAA-1", "4 /dev/sdb2 ",
                                      "6 /dev/hda1 UUID=AAAA-1", "7 /dev/xvda1 UUID=AAAA-1",
                                      "8 /dev/sda2 UUID=01234567-89ab-4def-8000-000000000001"}));
}

TEST(FragileDevices, are_bounded) {
  const Storage storage = two_disks();
  const DeviceNames names(storage);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "root=/dev/sda1 resume=/dev/sda1\n";
  EXPECT_EQ(fragile_words("/x", text, names).size(), kBootEntries);
}

}  // namespace
}  // namespace v2vfs::inspect
