// SPDX-License-Identifier: MIT
//
// Each code of `readiness`: absent from a guest that is ready, there once the guest is changed.
#include "inspect/guest/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "inspect/guest/inspect_guest.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::inspect {
namespace {

using testing::Contains;
using testing::Not;
using testing::UnorderedElementsAreArray;

using Change = void (*)(GuestInspection&, GuestFacts&);

struct Row {
  const char* code;
  Change change;
};

KernelFacts& kernel(GuestFacts& guest) { return guest.kernels.at(0); }

void add_device(GuestInspection& it, const char* type) {
  BlockDevice& device = it.disks.storage.devices.emplace_back();
  device.name = "/dev/sdb1";
  device.type = type;
}

WindowsFacts& windows(GuestFacts& guest) {
  return guest.windows ? *guest.windows : guest.windows.emplace();
}

void lose_drivers(KernelFacts& kernel) {
  for (DriverFacts& driver : kernel.drivers) driver.state = DriverState::absent;
}

const Row kRows[] = {
    {"no-root", [](auto& it, auto&) { it.guests.clear(), it.chosen.reset(); }},
    {"several-roots", [](auto& it, auto& guest) { it.guests.push_back(GuestFacts(guest)); }},
    {"luks-locked",
     [](auto& it, auto&) {
       it.disks.luks.push_back({"/dev/sda2", "1-2", "", "no"});
     }},
    {"bitlocker", [](auto& it, auto&) { add_device(it, "BitLocker"); }},
    {"hibernated",
     [](auto&, auto& guest) {
       guest.resume.push_back({"/dev/sda2", "x", "/dev/sda2", true});
     }},
    {"fast-startup", [](auto&, auto& guest) { windows(guest).fast_startup = true; }},
    {"boot-full",
     [](auto&, auto& guest) {
       guest.filesystems.resize(1);
       guest.filesystems[0].mountpoint = "/";
       guest.filesystems[0].space = FilesystemSpace{1 << 30, 1 << 20, 0, 0};
     }},
    {"no-kernel", [](auto&, auto& guest) { guest.kernels.clear(); }},
    {"no-virtio", [](auto&, auto& guest) { lose_drivers(kernel(guest)); }},
    {"xen-kernel", [](auto&, auto& guest) { kernel(guest).xen_pv_only = true; }},
    {"initrd-unreadable", [](auto&, auto& guest) { kernel(guest).initrd->problem = "cut off"; }},
    {"initrd-unknown", [](auto&, auto& guest) { kernel(guest).initrd->tail = "unknown"; }},
    {"no-bootloader", [](auto&, auto& guest) { guest.bootloader.kind.clear(); }},
    {"uki", [](auto&, auto& guest) { guest.bootloader.kind = "uki"; }},
    {"lilo", [](auto&, auto& guest) { guest.bootloader.kind = "lilo"; }},
    {"fragile-device",
     [](auto&, auto& guest) {
       guest.fragile_devices.push_back({"/etc/fstab", 1, "/dev/sda1", "/dev/sda1", ""});
     }},
    {"mount-missing",
     [](auto&, auto& guest) {
       MountpointFacts& point = guest.mountpoints.emplace_back();
       point.path = "/srv";
       point.spec = "/dev/sdz1";
     }},
    {"unknown-os", [](auto&, auto& guest) { guest.os.distro = "unknown"; }},
    {"group-policy", [](auto&, auto& guest) { windows(guest).group_policy = true; }},
    {"antivirus", [](auto&, auto& guest) { windows(guest).antivirus = true; }},
};

std::vector<std::string> codes_of(const GuestInspection& inspection) {
  std::vector<std::string> codes;
  for (const Problem& each : readiness_of(inspection)) {
    EXPECT_FALSE(each.what.empty() || each.fix.empty()) << each.code;
    codes.push_back(each.code);
  }
  return codes;
}

/// Of the paragraph in SEMANTICS.md.
std::vector<std::string> promised_codes() {
  std::ostringstream text;
  text << std::ifstream(V2VFS_SOURCE_TREE "/SEMANTICS.md").rdbuf();
  const std::string all = text.str();
  const std::size_t begin = all.find(" Codes: no-root") + 8;
  std::string list = all.substr(begin, all.find('.', begin) - begin);
  std::replace(list.begin(), list.end(), ',', ' ');
  std::istringstream words(list);
  return {std::istream_iterator<std::string>(words), {}};
}

class Readiness : public ::testing::TestWithParam<Row> {};

// SEMANTICS: "`readiness` says what stands between the machine and a life on KVM"
TEST_P(Readiness, has_the_code_where_it_is_so) {
  test::MadeUpGuest made("debian12-ready");
  InspectOptions options;
  options.osinfo_folder = made.osinfo_folder();
  GuestInspection inspection = inspect_guest(made.guest(), options);
  ASSERT_THAT(codes_of(inspection), Not(Contains(GetParam().code)));
  GetParam().change(inspection, inspection.guests[*inspection.chosen]);
  EXPECT_THAT(codes_of(inspection), Contains(GetParam().code));
}

INSTANTIATE_TEST_SUITE_P(Codes, Readiness, ::testing::ValuesIn(kRows), [](const auto& tested) {
  std::string name = tested.param.code;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ReadinessCodes, all_codes_are_promised_and_shown) {
  std::vector<std::string> shown;
  for (const Row& row : kRows) shown.emplace_back(row.code);
  EXPECT_THAT(promised_codes(), UnorderedElementsAreArray(shown));
}

}  // namespace
}  // namespace v2vfs::inspect
