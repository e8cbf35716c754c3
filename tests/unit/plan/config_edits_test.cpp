// SPDX-License-Identifier: MIT
#include "convert/guest/config_edits.h"

#include <gtest/gtest.h>

#include "convert/guest/volume_edits.h"

namespace v2vfs::convert {
namespace {

/// /dev/sdXN -> UUID=XN; everything else stays, as with DeviceRenamer.
std::optional<std::string> tag(std::string_view name) {
  if (!name.starts_with("/dev/sd")) return std::nullopt;
  return "UUID=" + std::string(name.substr(7));
}
std::optional<std::string> link(std::string_view name) {
  if (!name.starts_with("/dev/sd")) return std::nullopt;
  return "/dev/disk/by-uuid/" + std::string(name.substr(7));
}
std::optional<std::string> part(std::string_view name) {
  if (!name.starts_with("/dev/sd")) return std::nullopt;
  return "/dev/disk/by-partuuid/" + std::string(name.substr(7));
}
/// "sda1" -> "vda1", with or without /dev/.
std::optional<std::string> on_virtio(std::string_view name) {
  const std::string start = name.starts_with("/dev/") ? "/dev/" : "";
  name.remove_prefix(start.size());
  if (!name.starts_with("sd")) return std::nullopt;
  return start + "vd" + std::string(name.substr(2));
}
const Renames kRenames{tag, link, part};

TEST(Fstab, words_change_and_nothing_else) {
  EXPECT_EQ(edit_fstab("# /dev/sda1 is old\n/dev/sda1\t /  ext4\tdefaults 0 1  # root\n\n"
                       "LABEL=x /l ext4 d 0 0\r\n  /dev/sdb1 /b ext4 d 0 0",
                       kRenames),
            "# /dev/sda1 is old\nUUID=a1\t /  ext4\tdefaults 0 1  # root\n\n"
            "LABEL=x /l ext4 d 0 0\r\n  UUID=b1 /b ext4 d 0 0");
}

TEST(Fstab, devices_in_options_become_paths) {
  EXPECT_EQ(edit_fstab("UUID=1 /d xfs noatime,logdev=/dev/sdb2,x 0 0\n", kRenames),
            "UUID=1 /d xfs noatime,logdev=/dev/disk/by-uuid/b2,x 0 0\n");
}

TEST(Fstab, quoted_names_keep_their_quotes) {
  EXPECT_EQ(edit_fstab("\"/dev/sda1\" / ext4\n", kRenames), "\"UUID=a1\" / ext4\n");
}

TEST(Fstab, a_cdrom_that_is_called_like_a_disk_stays) {
  const std::string text =
      "/dev/sdc /media/cdrom0 auto noauto 0 0\n/dev/sdd /x udf,iso9660 user 0 0\n";
  EXPECT_EQ(edit_fstab(text, kRenames), text);
}

TEST(SharedFolders, may_fail) {
  EXPECT_EQ(
      let_shared_folders_fail(".host:/ /mnt/hgfs vmhgfs defaults,ttl=5 0 0\n"
                              "x /s vboxsf\nx /n vboxsf noauto 0 0\n/dev/sda1 / ext4 d 0 1\n"),
      ".host:/ /mnt/hgfs vmhgfs defaults,ttl=5,nofail 0 0\n"
      "x /s vboxsf defaults,nofail\nx /n vboxsf noauto 0 0\n/dev/sda1 / ext4 d 0 1\n");
}

TEST(Crypttab, a_random_key_has_no_uuid_that_lasts) {
  EXPECT_EQ(edit_crypttab("# c\nroot /dev/sda5 none luks\nswap\t/dev/sda6 /dev/urandom swap\n"
                          "other UUID=7 /dev/sdb1:/key luks,header=/dev/sdc1\n",
                          kRenames),
            "# c\nroot UUID=a5 none luks\nswap\t/dev/disk/by-partuuid/a6 /dev/urandom swap\n"
            "other UUID=7 /dev/disk/by-uuid/b1:/key luks,header=/dev/disk/by-uuid/c1\n");
}

TEST(Crypttab, comments_and_lines_without_a_device_stay) {
  const std::string text = "# sda5_crypt /dev/sda5 none\n\nalone\n   # more\n";
  EXPECT_EQ(edit_crypttab(text, kRenames), text);
}

TEST(Cryptroot, has_its_device_behind_source) {
  EXPECT_EQ(edit_cryptroot("target=x,source=/dev/sda5,key=none,lvm=vg-root\n", tag),
            "target=x,source=UUID=a5,key=none,lvm=vg-root\n");
}

TEST(Mdadm, looks_at_all_partitions) {
  EXPECT_EQ(edit_mdadm("DEVICE /dev/sda1 /dev/sd[bc]1 # old\nDEVICE partitions\n", on_virtio),
            "DEVICE /dev/sda1 /dev/sd[bc]1 partitions # old\nDEVICE partitions\n");
}

TEST(Mdadm, an_array_is_told_by_its_uuid) {
  EXPECT_EQ(edit_mdadm("ARRAY /dev/md0 devices=/dev/sda1,/dev/sdb1 UUID=1:2\n"
                       "ARRAY /dev/md1\n  devices=/dev/sda2,/dev/sdb2\n",
                       [](std::string_view name) { return on_virtio(name); }),
            "ARRAY /dev/md0 UUID=1:2\nARRAY /dev/md1\n  devices=/dev/vda2,/dev/vdb2\n");
}

TEST(Mdadm, a_line_that_goes_on_stays_one) {
  EXPECT_EQ(edit_mdadm("ARRAY /dev/md0 UUID=1:2\n devices=/dev/sda1\n name=x\n", on_virtio),
            "ARRAY /dev/md0 UUID=1:2\n \n name=x\n");
}

TEST(LvmFilter, has_the_new_names_beside_the_old) {
  EXPECT_EQ(edit_lvm_filters("devices {\n\t# filter = [ \"a|/dev/sda|\" ]\n"
                             "\tfilter = [ \"a|^/dev/sda2$|\", \"r|/dev/sdb|\", \"r|.*|\" ]\n}\n",
                             "vd"),
            "devices {\n\t# filter = [ \"a|/dev/sda|\" ]\n"
            "\tfilter = [ \"a|^/dev/sda2$|\", \"a|^/dev/vda2$|\", \"r|/dev/sdb|\", "
            "\"r|/dev/vdb|\", \"r|.*|\" ]\n}\n");
}

TEST(LvmFilter, of_several_lines_and_by_links) {
  EXPECT_EQ(
      edit_lvm_filters("global_filter = [\n  \"a|/dev/disk/by-id/.*|\",\n  \"r|.*|\"\n]\n", "vd"),
      "global_filter = [\n  \"a|/dev/disk/by-id/.*|\", \"a|^/dev/vd|\",\n  \"r|.*|\"\n]\n");
}

TEST(LvmFilter, that_names_no_disk_stays) {
  const std::string text = "filter = [ \"a|.*|\" ]\nfilters = [ \"a|/dev/sda|\" ]\n";
  EXPECT_EQ(edit_lvm_filters(text, "vd"), text);
  EXPECT_EQ(edit_lvm_filters("filter=[\"a|/dev/sda|\"]\n", "sd"), "filter=[\"a|/dev/sda|\"]\n");
}

TEST(DeviceMap, comments_stay) {
  EXPECT_EQ(edit_device_map("# (hd0) /dev/sda\n(hd0)\t/dev/sda\n(hd1) /dev/vdb\n", on_virtio),
            "# (hd0) /dev/sda\n(hd0)\t/dev/vda\n(hd1) /dev/vdb\n");
}

TEST(MountUnit, names_its_device_by_a_path) {
  EXPECT_EQ(edit_mount_unit("[Mount]\nWhat=/dev/sdb2\nWhere=/srv\n", link),
            "[Mount]\nWhat=/dev/disk/by-uuid/b2\nWhere=/srv\n");
}

TEST(Assignments, with_and_without_quotes) {
  EXPECT_EQ(
      edit_assignments("RESUME=/dev/sda5\nRESUME=\"/dev/sda6\"\n#RESUME=/dev/sda7\nX=/dev/sda1\n",
                       {"RESUME"}, tag),
      "RESUME=UUID=a5\nRESUME=\"UUID=a6\"\n#RESUME=/dev/sda7\nX=/dev/sda1\n");
}

TEST(Scripts, wait_for_the_new_name) {
  EXPECT_EQ(edit_script_devices("[ -e \"/dev/sda1\" ] && x\n", link),
            "[ -e \"/dev/disk/by-uuid/a1\" ] && x\n");
}

/// Every editor on its own result changes nothing.
TEST(ConfigEdits, twice_is_once) {
  const std::string text =
      "/dev/sda1 /x ext4 logdev=/dev/sdb1 0 0\nfilter = [ \"a|/dev/sda|\", "
      "\"a|/dev/disk/by-id/x|\" ]\n"
      "DEVICE /dev/sda1\nARRAY x devices=/dev/sda1 uuid=1\nsource=/dev/sda1,x\nWhat=/dev/sda1\n"
      ".host:/ /h vmhgfs x 0 0\nRESUME=/dev/sda1\nc /dev/sda1 /dev/urandom swap\n";
  const std::function<std::string(std::string_view)> editors[] = {
      [](std::string_view t) { return edit_fstab(t, kRenames); },
      [](std::string_view t) { return edit_crypttab(t, kRenames); },
      [](std::string_view t) { return let_shared_folders_fail(t); },
      [](std::string_view t) { return edit_mdadm(t, on_virtio); },
      [](std::string_view t) { return edit_lvm_filters(t, "vd"); },
      [](std::string_view t) { return edit_cryptroot(t, tag); },
      [](std::string_view t) { return edit_mount_unit(t, link); },
      [](std::string_view t) { return edit_device_map(t, on_virtio); },
      [](std::string_view t) { return edit_assignments(t, {"RESUME"}, tag); },
      [](std::string_view t) { return edit_script_devices(t, link); }};
  for (const auto& edit : editors) {
    const std::string once = edit(text);
    EXPECT_NE(once, text);
    EXPECT_EQ(edit(once), once);
  }
}

}  // namespace
}  // namespace v2vfs::convert
