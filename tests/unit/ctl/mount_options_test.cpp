// SPDX-License-Identifier: MIT
#include "mount-helpers/mount_options.h"

#include <gtest/gtest.h>

namespace v2vfs::helper {
namespace {

std::string options_of(const std::vector<std::string>& arguments) {
  return option_list(parse_call(arguments));
}

TEST(MountCall, as_mount_8_calls_it) {
  const MountCall call = parse_call({"/src.ova", "/mnt", "-sv", "-o", "rw,ephemeral"});
  EXPECT_EQ(call.mistake, "");
  EXPECT_EQ(call.source, "/src.ova");
  EXPECT_EQ(call.mountpoint, "/mnt");
  EXPECT_TRUE(call.sloppy && call.verbose && !call.fake);
  EXPECT_EQ(option_list(call), "rw,ephemeral");
}

// SEMANTICS: "leave out those of mount(8) and systemd"
TEST(MountCall, what_is_of_mount_and_systemd_is_left_out) {
  EXPECT_EQ(options_of({"s", "m", "-o",
                        "noauto,user,_netdev,nofail,x-systemd.automount,x-systemd.idle-timeout=60,"
                        "comment=x,noexec,nosuid,nodev,convert=off"}),
            "noexec,nosuid,nodev,convert=off");
  EXPECT_EQ(options_of({"s", "m", "-o", "user=joe,x-mount.mkdir=0755"}), "");
}

TEST(MountCall, what_is_not_known_is_for_v2vfs_to_refuse_unless_sloppy) {
  EXPECT_EQ(options_of({"s", "m", "-o", "nonsense,ro"}), "nonsense,ro");
  EXPECT_EQ(options_of({"s", "m", "-s", "-o", "nonsense,ro"}), "ro");
  EXPECT_EQ(options_of({"s", "m", "-s", "-o", "web/layout=plain,web/nonsense=1,web/keep-tools"}),
            "web/layout=plain,web/keep-tools");
}

TEST(MountCall, escaped_commas_stay_as_they_are) {
  EXPECT_EQ(options_of({"s", "m", "-o", "network-map=VM\\, old:lab,log=/a\\\\b"}),
            "network-map=VM\\, old:lab,log=/a\\\\b");
}

TEST(MountCall, several_lists_and_none) {
  EXPECT_EQ(options_of({"s", "m", "-o", "ro", "-o", "", "-o", ",ephemeral,"}), "ro,ephemeral");
  EXPECT_EQ(options_of({"s", "m"}), "");
}

TEST(MountCall, type_and_namespace_are_mounts_own) {
  EXPECT_EQ(parse_call({"s", "m", "-t", "v2vfs", "-N", "/proc/1/ns/mnt"}).mistake, "");
}

TEST(MountCall, mistakes_are_sentences) {
  EXPECT_NE(parse_call({"s"}).mistake, "");
  EXPECT_NE(parse_call({"s", "m", "x"}).mistake, "");
  EXPECT_NE(parse_call({"s", "m", "-x"}).mistake, "");
  EXPECT_NE(parse_call({"s", "m", "-o"}).mistake, "");
  EXPECT_TRUE(parse_call({"--help"}).help);
  EXPECT_EQ(parse_call({"--help"}).mistake, "");
}

}  // namespace
}  // namespace v2vfs::helper
