// SPDX-License-Identifier: MIT
//
// Initrds that the guest's own tool makes anew, for who asks for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "convert/guest/convert_guest.h"
#include "convert/guest/rebuild_command.h"
#include "inspect/guest/inspect_guest.h"
#include "tests/support/scratch.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::convert {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Ne;
using testing::StartsWith;

constexpr const char* kVersion = "6.1.0-18-amd64";
constexpr const char* kImage = "/boot/initrd.img-6.1.0-18-amd64";
using Words = std::vector<std::string>;

inspect::InspectOptions reading(const test::MadeUpGuest& made) {
  inspect::InspectOptions options;
  options.osinfo_folder = made.osinfo_folder();
  return options;
}

ConversionOptions rebuilding() {
  ConversionOptions options;
  options.rebuild_initrds = true;
  return options;
}

/// A guest without virtio in its initrd, and what its tool is to do.
class Rebuild : public ::testing::Test {
 protected:
  inspect::GuestInspection inspection() {
    return inspect::inspect_guest(made_.guest(), reading(made_));
  }
  ConversionPlan plan(const inspect::GuestInspection& found) {
    return plan_conversion(found, made_.machine(), options_);
  }
  Conversion convert() {
    ConversionRequest request;
    request.spec = made_.machine();
    request.options = options_;
    request.inspect = reading(made_);
    request.work_folder = work_.path();
    request.on_stage = [this](const char* stage) { stages_.emplace_back(stage); };
    return convert_guest(made_.guest(), request);
  }

  /// The default kernel's initrd of another guest.
  static std::string image_of(const char* name) {
    test::MadeUpGuest other(name);
    other.guest().mount({"/dev/sda1", "/", "", false});
    return *inspect::read_whole(other.guest(), kImage, 64 << 20);
  }
  std::string image() { return *inspect::read_whole(made_.guest(), kImage, 64 << 20); }

  test::MadeUpGuest made_{"debian12-vmware"};
  test::Scratch work_;
  ConversionOptions options_ = rebuilding();
  Words stages_;
};

TEST_F(Rebuild, is_in_the_plan_only_for_who_asks) {
  const inspect::GuestInspection found = inspection();
  const ConversionPlan asked = plan(found);
  ASSERT_EQ(asked.initrds.size(), 1u);
  EXPECT_THAT(asked.initrds[0].rebuild, ElementsAre("update-initramfs", "-u", "-k", kVersion));
  EXPECT_THAT(conversion_json(asked), HasSubstr("\"rebuild\""));
  options_ = {};
  const ConversionPlan usual = plan(found);
  ASSERT_EQ(usual.initrds.size(), 1u);
  EXPECT_THAT(usual.initrds[0].rebuild, IsEmpty());
  EXPECT_THAT(conversion_json(usual), Not(HasSubstr("\"rebuild\"")));
}

TEST_F(Rebuild, is_for_images_that_nothing_can_be_added_to) {
  inspect::GuestInspection found = inspection();
  found.guests[*found.chosen].kernels[0].initrd->tail = "unknown";
  EXPECT_EQ(plan(found).initrds.size(), 1u);
  options_ = {};
  EXPECT_THAT(plan(found).initrds, IsEmpty());
}

TEST_F(Rebuild, each_tool_is_told_which_image) {
  const inspect::GuestInspection found = inspection();
  inspect::GuestFacts guest = *found.chosen_guest();
  inspect::KernelFacts kernel = guest.kernels[0];
  const auto words = [&](const char* tool) {
    kernel.initrd->generator = tool;
    guest.applications.emplace_back().name = tool;
    return rebuild_command(found, guest, kernel).words;
  };
  EXPECT_THAT(words("dracut"), ElementsAre("dracut", "--force", "--no-hostonly", kImage, kVersion));
  EXPECT_THAT(words("mkinitcpio"),
              ElementsAre("mkinitcpio", "-S", "autodetect", "-k", kVersion, "-g", kImage));
  EXPECT_THAT(words("mkinitfs"), ElementsAre("mkinitfs", "-o", kImage, kVersion));
  EXPECT_THAT(words("booster"), IsEmpty());
  guest.os.id = "centos";
  guest.os.major = 6;
  EXPECT_THAT(words("dracut"), ElementsAre("dracut", "--force", kImage, kVersion));
  // update-initramfs knows one name only.
  kernel.initrd->real_path = "/boot/live.img";
  EXPECT_THAT(words("initramfs-tools"), IsEmpty());
}

// SEMANTICS: "and those of guests in a LUKS container are added to; `notes` says why"
TEST_F(Rebuild, is_not_for_what_the_tool_would_get_wrong) {
  using Change = std::function<void(inspect::GuestInspection&, inspect::GuestFacts&)>;
  const std::pair<const char*, Change> rows[] = {
      {"another kernel starts with it too",
       [](auto&, auto& guest) {
         guest.kernels.push_back(inspect::KernelFacts(guest.kernels[0]));
         guest.kernels[1].version = "5.10.0-1-amd64";
       }},
      {"not in the guest", [](auto&, auto& guest) { guest.applications.clear(); }},
      {"do not run on this machine", [](auto&, auto& guest) { guest.arch = "ppc64le"; }},
      {"LUKS",
       [](auto& found, auto&) {
         found.disks.luks.push_back({"/dev/sda3", "", "/dev/mapper/x", ""});
       }},
  };
  for (const auto& [why, change] : rows) {
    inspect::GuestInspection found = inspection();
    change(found, found.guests[*found.chosen]);
    const ConversionPlan made = plan(found);
    ASSERT_EQ(made.initrds.size(), 1u) << why;
    EXPECT_THAT(made.initrds[0].rebuild, IsEmpty()) << why;
    EXPECT_THAT(made.notes, testing::Contains(HasSubstr(why)));
  }
}

// SEMANTICS: "nothing is kept (`failed`, with what it said last)"
TEST_F(Rebuild, fails_with_what_the_tool_said) {
  made_.guest().says.program = [](const Words& words) -> std::string {
    throw Error(EIO, "{}: gzip: stdout: No space left on device", words[0]);
  };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "failed");
  EXPECT_THAT(done.result.reason, HasSubstr("could not be made anew: update-initramfs: gzip:"));
  EXPECT_THAT(done.result.outcomes, IsEmpty());
}

// SEMANTICS: "Then another appliance looks at the guest as if it had come so"
TEST_F(Rebuild, sees_what_the_tool_made_and_adds_to_it) {
  const std::string better = image_of("debian12-ready");
  Words ran;
  std::string fstab;  // as the tool sees it
  made_.guest().says.on_start_anew = [this] { stages_.emplace_back("another appliance"); };
  made_.guest().says.program = [&](const Words& words) {
    ran = words;
    fstab = *inspect::read_whole(made_.guest(), "/etc/fstab", 1 << 20);
    made_.guest().write_file(kImage, better);
    return std::string();
  };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "converted") << done.result.reason;
  EXPECT_THAT(ran, ElementsAre("update-initramfs", "-u", "-k", kVersion));
  EXPECT_THAT(fstab, Not(HasSubstr("/dev/sda1")));
  EXPECT_EQ(done.result.outcomes.at(kImage), "done");
  // The image's udev would name the cards otherwise: that is added.
  EXPECT_THAT(image(), AllOf(StartsWith(better), Ne(better)));
  EXPECT_THAT(stages_, ElementsAre("inspecting", "writing", "rebuilding initrds", "inspecting",
                                   "another appliance", "making initrds"));
}

TEST_F(Rebuild, says_that_a_tool_wrote_nothing) {
  const std::string better = image_of("debian12-ready");
  made_.guest().mount({"/dev/sda1", "/", "", true});
  made_.guest().write_file(kImage, better);
  made_.guest().unmount_all();
  made_.guest().says.program = [](const Words&) { return std::string(); };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "converted") << done.result.reason;
  EXPECT_EQ(done.result.outcomes.at(kImage),
            "its own tool left it as it was; what it lacked was added");
}

// The made-up guest has only the names of its modules, so nothing can be added.
TEST_F(Rebuild, fails_with_an_image_that_lacks_what_cannot_be_added) {
  const std::string without_virtio = image_of("debian12-copies");
  made_.guest().says.program = [&](const Words&) {
    made_.guest().write_file(kImage, without_virtio);
    return std::string();
  };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "failed");
  EXPECT_THAT(done.result.reason, HasSubstr("cannot be added to"));
}

// SEMANTICS: "or what it made would not start the guest, nothing is kept"
TEST_F(Rebuild, fails_with_an_image_that_is_none) {
  made_.guest().says.program = [&](const Words&) {
    made_.guest().write_file(kImage, "noise, and no archive");
    return std::string();
  };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "failed");
  EXPECT_THAT(done.result.reason, HasSubstr("after its own tools made the initrds"));
}

}  // namespace
}  // namespace v2vfs::convert
