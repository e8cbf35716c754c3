// SPDX-License-Identifier: MIT
//
// Initrds that the guest's own tool makes anew, for who asks for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "convert/guest/convert_guest.h"
#include "convert/guest/rebuild_initrds.h"
#include "inspect/guest/inspect_guest.h"
#include "tests/support/scratch.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::convert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
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
  const inspect::GuestFacts& guest = *found.chosen_guest();
  inspect::KernelFacts kernel = guest.kernels[0];
  kernel.initrd->generator = "dracut";
  EXPECT_THAT(rebuild_command(guest, kernel), ElementsAre("dracut", "--force", kImage, kVersion));
  kernel.initrd->generator = "mkinitcpio";
  EXPECT_THAT(rebuild_command(guest, kernel),
              ElementsAre("mkinitcpio", "-S", "autodetect", "-k", kVersion, "-g", kImage));
  kernel.initrd->generator = "mkinitfs";
  EXPECT_THAT(rebuild_command(guest, kernel), ElementsAre("mkinitfs", "-o", kImage, kVersion));
  kernel.initrd->generator = "booster";
  EXPECT_THAT(rebuild_command(guest, kernel), IsEmpty());
  // update-initramfs knows one name only.
  kernel.initrd->generator = "initramfs-tools";
  kernel.initrd->real_path = "/boot/live.img";
  EXPECT_THAT(rebuild_command(guest, kernel), IsEmpty());
}

// SEMANTICS: "Where the tool fails nothing is kept (`failed`, with what it said last)"
TEST_F(Rebuild, fails_with_what_the_tool_said) {
  made_.guest().says.program = [](const Words& words) -> std::string {
    throw Error(EIO, "{}: gzip: stdout: No space left on device", words[0]);
  };
  const Conversion done = convert();
  EXPECT_EQ(done.result.state, "failed");
  EXPECT_THAT(done.result.reason, HasSubstr("could not be made anew: update-initramfs: gzip:"));
}

// SEMANTICS: "What the new initrd still lacks is added"
TEST_F(Rebuild, adds_what_the_new_image_lacks) {
  test::MadeUpGuest ready("debian12-ready");
  inspect::inspect_guest(ready.guest(), reading(ready));
  ready.guest().mount({"/dev/sda1", "/", "", false});
  const std::string better = *inspect::read_whole(ready.guest(), kImage, 64 << 20);
  Words ran;
  std::string fstab;  // as the tool sees it
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
  EXPECT_THAT(*inspect::read_whole(made_.guest(), kImage, 64 << 20), StartsWith(better));
  EXPECT_THAT(stages_,
              ElementsAre("inspecting", "writing", "rebuilding initrds", "making initrds"));
}

}  // namespace
}  // namespace v2vfs::convert
