// SPDX-License-Identifier: MIT
#include "convert/guest/nic_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace v2vfs::convert {
namespace {

/// Cards of VMs as they were seen: the slot number in the VMX, and the names that systemd gave.
TEST(VmwarePlace, gives_the_names_that_are_seen) {
  const struct {
    unsigned slot;
    const char* by_slot;
    const char* by_path;
    const char* by_index;
  } seen[] = {{160, "ens160", "enp3s0", "eno16777984"},  {192, "ens192", "enp11s0", "eno16780032"},
              {224, "ens224", "enp19s0", "eno50336512"}, {256, "ens256", "enp27s0", "eno67115776"},
              {1184, "ens161", "enp4s0", "eno83887104"}, {1216, "ens193", "enp12s0", nullptr},
              {33, "ens33", "enp2s1", "eno16777736"},    {37, "ens37", "enp2s5", "eno33554984"}};
  for (const auto& each : seen) {
    const auto place = vmware_place(each.slot);
    ASSERT_TRUE(place) << each.slot;
    EXPECT_EQ(predictable_name(*place), each.by_slot);
    EXPECT_TRUE(is_name_at(each.by_slot, *place));
    EXPECT_TRUE(is_name_at(each.by_path, *place)) << each.by_path;
    if (each.by_index) {
      EXPECT_TRUE(is_name_at(each.by_index, *place)) << each.by_index;
    }
    EXPECT_FALSE(is_name_at("ens1", *place));
    EXPECT_FALSE(is_name_at("eth0", *place));
  }
}

TEST(VmwarePlace, of_the_root_bus_has_no_slot) {
  const auto place = vmware_place(17);
  ASSERT_TRUE(place);
  EXPECT_EQ(predictable_name(*place), "enp0s17");
}

TEST(VmwarePlace, of_a_bridge_that_is_not_known_is_not_told) {
  for (const unsigned slot : {64u, 128u, 300u, 5000u, 0xffffffffu})
    EXPECT_FALSE(vmware_place(slot));
}

TEST(CardNames, of_cards_and_of_others) {
  for (const char* const name : {"eth0", "ens192", "enp0s3", "enp2s0f1", "eno1", "em1", "p1p2",
                                 "enx005056aa0001", "enP1p2s0"}) {
    EXPECT_TRUE(is_card_name(name)) << name;
  }
  for (const char* const name : {"lo", "bond0", "br0", "eth0.5", "eth0:1", "ens*", "wlan0", "vlan5",
                                 "enp", "ens", "e", "", "eth", "en!", "ens192\"; RUN+=\"x"}) {
    EXPECT_FALSE(is_card_name(name)) << name;
  }
}

TEST(CardNames, sort_as_hypervisors_hand_them_out) {
  std::vector<std::string> names = {"ens161", "ens256", "ens192", "ens160", "ens224"};
  const auto by_order = [](const std::string& a, const std::string& b) {
    return card_order(a) < card_order(b);
  };
  std::sort(names.begin(), names.end(), by_order);
  EXPECT_EQ(names, (std::vector<std::string>{"ens160", "ens192", "ens224", "ens256", "ens161"}));
  names = {"eth10", "eth2", "enp0s10", "enp0s8", "enp0s3"};
  std::sort(names.begin(), names.end(), by_order);
  EXPECT_EQ(names, (std::vector<std::string>{"enp0s3", "enp0s8", "enp0s10", "eth2", "eth10"}));
}

}  // namespace
}  // namespace v2vfs::convert
