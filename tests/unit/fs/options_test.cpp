// SPDX-License-Identifier: MIT
#include "fs/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace v2vfs::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Options parse(std::vector<std::string> words) {
  words.insert(words.begin(), "v2vfs");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data()).value();
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const StartError& e) {
    EXPECT_EQ(e.exit_code(), exit_usage);
    return e.what();
  }
  return "";
}

TEST(Options, the_last_path_is_the_mountpoint) {
  const Options options = parse({"a.ova", "b.ova", "/mnt"});
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_THAT(options.sources, ElementsAre("a.ova", "b.ova"));
}

TEST(Options, mount_options_may_stand_anywhere_and_be_given_twice) {
  const Options options = parse({"-o", "ro", "a.ova", "/mnt", "-o", "ephemeral,convert=off"});
  EXPECT_TRUE(options.read_only);
  EXPECT_TRUE(options.ephemeral);
  EXPECT_EQ(options.vm.convert, Convert::off);
}

TEST(Options, a_comma_in_a_value_is_escaped) {
  EXPECT_THAT(split_option_list(R"(state=/a\,b,ro)"), ElementsAre("state=/a,b", "ro"));
  EXPECT_THAT(split_option_list(",,a,"), ElementsAre("a"));
  EXPECT_THAT(split_option_list(R"(log=C:\x)"), ElementsAre(R"(log=C:\x)"));
}

TEST(Options, one_vm_can_have_its_own) {
  const Options options = parse({"a.ova", "/mnt", "-o", "layout=plain,web/layout=auto"});
  EXPECT_EQ(options.for_vm("web").layout, convert::LayoutChoice::automatic);
  EXPECT_EQ(options.for_vm("db").layout, convert::LayoutChoice::plain);
}

TEST(Options, sizes_have_units) {
  EXPECT_EQ(parse({"a", "/m", "-o", "reserve=96M"}).vm.reserve_bytes, 96u << 20);
  EXPECT_THAT(refusal({"a", "/m", "-o", "reserve=12Q"}), HasSubstr("reserve=12Q"));
  EXPECT_THAT(refusal({"a", "/m", "-o", "reserve=99999999999T"}), HasSubstr("at most 64T"));
}

TEST(Options, appliances_have_bounds) {
  EXPECT_GE(parse({"a", "/m"}).appliances, 1U);
  const Options options =
      parse({"a", "/m", "-o", "appliances=3,appliance-idle=0,appliance-timeout=45"});
  EXPECT_EQ(options.appliances, 3U);
  EXPECT_EQ(options.appliance_idle_s, 0U);
  EXPECT_EQ(options.appliance_timeout_s, 45U);
  EXPECT_THAT(refusal({"a", "/m", "-o", "appliances=0"}), HasSubstr("from 1 to 64"));
  EXPECT_THAT(refusal({"a", "/m", "-o", "appliance-timeout=1"}), HasSubstr("from 10"));
  EXPECT_THAT(refusal({"a", "/m", "-o", "appliance-idle=-1"}), HasSubstr("whole number"));
}

TEST(Options, networks) {
  const Options options = parse({"a", "/m", "-o", "bridge=br0,network-map=VM Network:lab"});
  EXPECT_EQ(options.vm.network.kind, convert::NetworkKind::bridge);
  EXPECT_EQ(options.vm.network.name, "br0");
  EXPECT_THAT(options.vm.network_map, ElementsAre(std::make_pair("VM Network", "lab")));
  EXPECT_EQ(parse({"a", "/m", "-o", "network=user"}).vm.network.kind, convert::NetworkKind::user);
}

// SEMANTICS: "the option can be given several times, and for one VM"
TEST(Options, keys_and_root_of_a_guest) {
  const Options options = parse({"a", "/m", "-o", "keyfile=all:/k:1,keyfile=/dev/sda2:b", "-o",
                                 "root=UUID=12-34,db/keyfile=5e1f:c,db/root=/dev/sdb1"});
  const GuestChoice web = options.for_vm("web").guest_choice;
  ASSERT_EQ(web.key_files.size(), 2U);
  EXPECT_EQ(web.key_files[0].device, "all");
  EXPECT_EQ(web.key_files[0].path, "/k:1");
  EXPECT_EQ(web.key_files[1].device, "/dev/sda2");
  EXPECT_EQ(web.root, "UUID=12-34");
  const GuestChoice db = options.for_vm("db").guest_choice;
  ASSERT_EQ(db.key_files.size(), 3U);
  EXPECT_EQ(db.key_files[2].device, "5e1f");
  EXPECT_EQ(db.root, "/dev/sdb1");
}

TEST(Options, a_key_in_place_of_its_file_is_not_repeated) {
  for (const char* const given : {"keyfile=opensesame", "keyfile=:opensesame",
                                  "keyfile=opensesame:", "vm/keyfile=opensesame"}) {
    const std::string said = refusal({"a", "/m", "-o", given});
    EXPECT_THAT(said, HasSubstr("DEVICE:FILE"));
    EXPECT_THAT(said, ::testing::Not(HasSubstr("sesame"))) << given;
  }
  EXPECT_THAT(refusal({"a", "/m", "-o", "root="}), HasSubstr("root="));
  std::string many = "ro";
  for (std::size_t i = 0; i <= kMostKeyFiles; ++i) many += ",keyfile=all:/k";
  EXPECT_THAT(refusal({"a", "/m", "-o", many}), HasSubstr("64 times"));
}

TEST(Options, keep_tools_has_no_value) {
  EXPECT_TRUE(parse({"a", "/m", "-o", "keep-tools"}).vm.keep_tools);
  const Options one = parse({"a", "/m", "-o", "web/keep-tools"});
  EXPECT_TRUE(one.for_vm("web").keep_tools);
  EXPECT_FALSE(one.for_vm("db").keep_tools);
  EXPECT_THAT(refusal({"a", "/m", "-o", "keep-tools=no"}), HasSubstr("keep-tools=no"));
}

/// Who is root becomes nobody, in a process of the test's own.
[[noreturn]] void parse_as_a_user() {
  if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
  ::setenv("XDG_STATE_HOME", "/s", 1);
  ::setenv("XDG_CACHE_HOME", "/c", 1);
  const Options options = parse({"a", "/m"});
  ::_exit(options.state_dir == "/s/v2vfs" && options.cache_dir == "/c/v2vfs" ? 0 : 1);
}

// SEMANTICS: "/var/lib/v2vfs for root, $XDG_STATE_HOME/v2vfs"
// SEMANTICS: "What can be made again is in /var/cache/v2vfs for root, $XDG_CACHE_HOME/v2vfs"
TEST(Options, states_and_what_can_be_made_again_have_their_places) {
  if (::geteuid() == 0) {
    EXPECT_EQ(parse({"a", "/m"}).state_dir, "/var/lib/v2vfs");
    EXPECT_EQ(parse({"a", "/m"}).cache_dir, "/var/cache/v2vfs");
  }
  EXPECT_EXIT(parse_as_a_user(), ::testing::ExitedWithCode(0), "");
}

TEST(Options, mistakes_name_the_option_and_what_is_expected) {
  EXPECT_THAT(refusal({"a", "/m", "-o", "layout=round"}), HasSubstr("auto or plain"));
  EXPECT_THAT(refusal({"a", "/m", "-o", "colour=blue"}), HasSubstr("colour=blue"));
  EXPECT_THAT(refusal({"a", "/m", "-o", "web/state=/x"}), HasSubstr("one VM"));
  EXPECT_THAT(refusal({"/m"}), HasSubstr("MOUNTPOINT"));
}

TEST(Options, fuse_and_fstab_options_are_passed_on_or_passed_over) {
  const Options options = parse({"a", "/m", "-o", "max_read=65536,noauto,x-systemd.automount"});
  EXPECT_THAT(options.fuse_options, ElementsAre("max_read=65536"));
}

}  // namespace
}  // namespace v2vfs::fs
