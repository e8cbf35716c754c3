// SPDX-License-Identifier: MIT
//
// Guests that mean harm, through the whole of inspect_guest().
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "inspect/base/error.h"
#include "inspect/guest/inspect_guest.h"
#include "inspect/guest/inspection_json.h"
#include "inspect/guest/inspection_xml.h"
#include "tests/support/folder_guest.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

class HostileGuest : public ::testing::Test {
 protected:
  HostileGuest() {
    std::string pattern = (fs::temp_directory_path() / "v2vfs-hostile-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    put("/etc/os-release", "ID=debian\nVERSION_ID=12\n");
    put("/etc/passwd", "");
    put("/bin/sh", "");
  }
  ~HostileGuest() override { fs::remove_all(folder_); }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ + path).substr(0, (folder_ + path).rfind('/')));
    std::ofstream(folder_ + path, std::ios::binary) << text;
  }

  GuestInspection inspect(InspectOptions options = {}) {
    options.osinfo_folder = "/nonexistent";
    test::FolderGuest guest(folder_);
    return inspect_guest(guest, options);
  }

  std::string folder_;
};

TEST_F(HostileGuest, links_and_loops_lead_nowhere) {
  fs::create_directory_symlink("..", folder_ + "/boot");
  fs::create_symlink("/etc/fstab", folder_ + "/etc/fstab");
  fs::create_symlink("../../../../../../etc/shadow", folder_ + "/etc/hostname");
  fs::create_symlink("/lib", folder_ + "/lib");
  fs::create_symlink(".", folder_ + "/etc/network");
  put("/etc/interfaces",
      "source /etc/network/network/*\nsource /etc/network/interfaces\niface a inet dhcp\n");
  const GuestInspection found = inspect();
  ASSERT_EQ(found.guests.size(), 1u);
  EXPECT_EQ(found.guests[0].hostname, "");
  EXPECT_LE(found.guests[0].network.size(), 256u);
}

TEST_F(HostileGuest, pipes_and_devices_are_not_opened) {
  for (const char* const path :
       {"/etc/fstab", "/etc/crypttab", "/etc/hostname", "/etc/debian_version"}) {
    ASSERT_EQ(::mkfifo((folder_ + path).c_str(), 0600), 0);
  }
  EXPECT_EQ(inspect().guests.size(), 1u);
}

// SEMANTICS: "`notes` of the guest says which"
TEST_F(HostileGuest, a_huge_fstab_is_a_note) {
  put("/etc/fstab", "");
  fs::resize_file(folder_ + "/etc/fstab", 50 << 20);
  const GuestInspection found = inspect();
  ASSERT_EQ(found.guests.size(), 1u);
  ASSERT_FALSE(found.guests[0].notes.empty());
  EXPECT_NE(found.guests[0].notes[0].find("/etc/fstab"), std::string::npos);
  EXPECT_EQ(found.guests[0].mountpoints.size(), 1u);
}

TEST_F(HostileGuest, names_come_out_clean) {
  put("/etc/hostname", "evil\x1b[2J\xff\xe2\x80\xaename\n");
  put("/etc/fstab", "/dev/sdz9\x07 /mnt\x1b[1m ext4 \xff\xfe 0 0\n");
  put("/var/lib/dpkg/status",
      "Package: a\x01"
      "b\nStatus: install ok installed\nVersion: 1\n");
  const GuestInspection found = inspect();
  const std::string json = inspection_json({}, found, {});
  const std::string xml = inspection_xml(found);
  for (const std::string& text : {json, xml}) {
    for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
    EXPECT_EQ(text.find("\xff"), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  }
}

TEST_F(HostileGuest, boot_menus_that_include_each_other_end) {
  put("/boot/grub/grub.cfg", "configfile /boot/grub2/grub.cfg\nsource /boot/grub/grub.cfg\n");
  put("/boot/grub2/grub.cfg", "configfile /boot/grub/grub.cfg\n");
  put("/boot/extlinux/extlinux.conf",
      "INCLUDE extlinux.conf\nINCLUDE extlinux.conf\nINCLUDE extlinux.conf\n");
  EXPECT_EQ(inspect().guests[0].bootloader.kind, "");
}

TEST_F(HostileGuest, mountpoints_outside_are_left_out) {
  put("/etc/fstab",
      "UUID=11111111-2222-3333-4444-555555555555 /../../etc ext4 d 0 0\n"
      "/dev/sda1 /proc/../../x ext4 d 0 0\n/dev/sda1 relative ext4 d 0 0\n");
  EXPECT_EQ(inspect().guests[0].mount_plan.size(), 1u);
}

TEST_F(HostileGuest, thousands_of_things_are_bounded) {
  for (int i = 0; i < 300; ++i) {
    put("/lib/modules/" + std::to_string(i) + ".0/modules.dep", "");
    put("/etc/network/interfaces.d/" + std::to_string(i),
        "iface e" + std::to_string(i) + " inet dhcp\n");
  }
  put("/etc/network/interfaces", "source /etc/network/interfaces.d/*\n");
  const GuestInspection found = inspect();
  EXPECT_LE(found.guests[0].kernels.size(), 32u);
  EXPECT_LE(found.guests[0].network.size(), 256u);
}

/// A reader that ends in the middle of it.
class EndingGuest : public test::FolderGuest {
 public:
  EndingGuest(const std::string& folder, int calls, int error)
      : FolderGuest(folder), left_(calls), error_(error) {}
  std::optional<std::string> resolve(const std::string& path) override {
    tick();
    return FolderGuest::resolve(path);
  }
  FileStat stat(const std::string& path) override {
    tick();
    return FolderGuest::stat(path);
  }

 private:
  void tick() {
    if (left_-- <= 0) throw Error(error_, "the reader has ended");
  }
  int left_;
  int error_;
};

TEST_F(HostileGuest, a_reader_that_ended_is_an_error) {
  for (const int error : {ETIMEDOUT, EIO}) {
    for (int calls = 0; calls < 60; calls += 7) {
      EndingGuest guest(folder_, calls, error);
      EXPECT_THROW(inspect_guest(guest, {}), Error) << calls;
    }
  }
}

TEST_F(HostileGuest, root_that_is_none_is_refused) {
  InspectOptions options;
  options.root = "/dev/sdq1";
  EXPECT_THROW(inspect(options), Error);
  options.root = "UUID=11111111-2222-3333-4444-555555555555";
  EXPECT_EQ(inspect(options).chosen, 0u);
}

// SEMANTICS: "(a device, UUID=..., or DEVICE:SUBVOLUME) says which of several systems is meant"
TEST(BtrfsRoots, are_the_default_and_no_snapshots) {
  std::string pattern = (fs::temp_directory_path() / "v2vfs-btrfs-XXXXXX").string();
  const std::string folder = ::mkdtemp(pattern.data());
  for (const char* const path : {"/root/etc", "/root/bin", "/other"})
    fs::create_directories(folder + path);
  std::ofstream(folder + "/root/etc/os-release") << "ID=debian\nVERSION_ID=12\n";
  Storage storage = test::one_partition();
  storage.devices[1].type = "btrfs";
  const std::string root = folder + "/root";
  test::FolderGuest guest(storage, {{{"/dev/sda1", ""}, folder + "/other"},
                                    {{"/dev/sda1", "@"}, root},
                                    {{"/dev/sda1", "@before-upgrade"}, root},
                                    {{"/dev/sda1", "@second"}, root}});
  guest.says.subvolumes["/dev/sda1"] = {{256, 5, "@", false, false},
                                        {257, 5, "@before-upgrade", false, true},
                                        {258, 5, "@second", false, false}};
  const GuestInspection found = inspect_guest(guest, {});
  ASSERT_EQ(found.guests.size(), 2u);
  EXPECT_EQ(found.guests[0].subvolume, "@");
  EXPECT_EQ(found.guests[1].subvolume, "@second");
  EXPECT_EQ(found.chosen, 0u);
  EXPECT_EQ(found.readiness.at(0).code, "several-roots");
  InspectOptions options;
  options.root = "/dev/sda1:@second";
  EXPECT_EQ(inspect_guest(guest, options).chosen, 1u);
  fs::remove_all(folder);
}

// SEMANTICS: "as the guest or its kernel calls it, the container's UUID, or `all`"
TEST(LockedGuest, is_opened_by_the_key_that_fits) {
  std::string pattern = (fs::temp_directory_path() / "v2vfs-luks-XXXXXX").string();
  const std::string folder = ::mkdtemp(pattern.data());
  for (const char* const path : {"/etc", "/bin"}) fs::create_directories(folder + path);
  std::ofstream(folder + "/etc/os-release") << "ID=debian\nVERSION_ID=12\n";
  Storage storage = test::one_partition();
  storage.devices[1].type = "crypto_LUKS";
  const std::string uuid = storage.devices[1].uuid;
  Storage inner;
  inner.devices.push_back(
      {"/dev/mapper/luks-" + uuid, BlockKind::luks_mapping, {"/dev/sda1"}, 1, "ext4", "U", ""});
  const auto inspect = [&](const std::vector<LuksKey>& keys) {
    test::FolderGuest guest(storage, {{{"/dev/mapper/luks-" + uuid, ""}, folder}});
    guest.says.locked["/dev/sda1"] = {"right", inner};
    InspectOptions options;
    options.keys = keys;
    return inspect_guest(guest, options);
  };
  const GuestInspection without = inspect({});
  EXPECT_TRUE(without.guests.empty());
  EXPECT_EQ(without.readiness.at(0).code, "luks-locked");
  const GuestInspection wrong = inspect({{"/dev/sda1", "wrong"}});
  EXPECT_EQ(wrong.disks.luks.at(0).problem, "none of the keys given opens it");
  for (const std::string& device :
       {std::string("all"), std::string("/dev/sda1"), uuid, "UUID=" + uuid}) {
    const GuestInspection found = inspect({{"all", "wrong"}, {device, "right"}});
    ASSERT_EQ(found.guests.size(), 1u) << device;
    EXPECT_EQ(found.guests[0].root, "/dev/mapper/luks-" + uuid);
  }
  fs::remove_all(folder);
}

// SEMANTICS: "2,560 MiB for a guest with LUKS2"
TEST(Luks, version_two_is_opened_where_there_is_memory_for_it) {
  Storage storage = test::one_partition();
  storage.devices[1].type = "crypto_LUKS";
  const auto inspect = [&](char version, std::uint32_t memory_mib, std::vector<LuksKey> keys) {
    test::FolderGuest guest(storage, {});
    guest.says.locked["/dev/sda1"] = {"right", {}};
    guest.says.device_bytes["/dev/sda1"] = std::string("LUKS\xba\xbe\0", 7) + version;
    InspectOptions options;
    options.keys = std::move(keys);
    options.memory_mib = memory_mib;
    return inspect_guest(guest, options);
  };
  const std::vector<LuksKey> key = {{"all", "wrong"}};
  try {
    inspect(2, 1280, key);
    ADD_FAILURE() << "it was tried";
  } catch (const MemoryNeeded& more) {
    EXPECT_EQ(more.mib(), kLuks2MemoryMib);
  }
  EXPECT_EQ(inspect(2, kLuks2MemoryMib, key).disks.luks.size(), 1u);
  EXPECT_EQ(inspect(2, 0, key).disks.luks.size(), 1u);
  EXPECT_EQ(inspect(1, 1280, key).disks.luks.size(), 1u);
  EXPECT_EQ(inspect(2, 1280, {}).disks.luks.size(), 1u);
  EXPECT_EQ(inspect(2, 1280, {{"/dev/sdz9", "for another"}}).disks.luks.size(), 1u);
}

}  // namespace
}  // namespace v2vfs::inspect
