// SPDX-License-Identifier: MIT
//
// Each guest of tests/golden/guests/make.py, read by the real inspection and planned, gives exactly
// tests/golden/plans/NAME.json: conversion.json. V2VFS_UPDATE_GOLDEN=1 writes them anew; look at
// every diff in them as an administrator of that guest would.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "convert/guest/apply_edits.h"
#include "convert/guest/conversion_json.h"
#include "convert/guest/plan_edits.h"
#include "inspect/guest/inspect_guest.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::convert {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kGolden = V2VFS_GOLDEN_PLANS;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inspect::GuestInspection inspection_of(test::MadeUpGuest& made) {
  inspect::InspectOptions options;
  options.osinfo_folder = made.osinfo_folder();
  return inspect::inspect_guest(made.guest(), options);
}

ConversionPlan plan_of(test::MadeUpGuest& made, const ConversionOptions& options = {}) {
  return plan_conversion(inspection_of(made), made.machine(), options);
}

std::vector<std::string> all_guests() {
  std::vector<std::string> names = test::made_up_guests();
  const std::vector<std::string> more = test::made_up_guests("--list-plans");
  names.insert(names.end(), more.begin(), more.end());
  std::sort(names.begin(), names.end());
  return names;
}

/// Mounts the chosen guest's tree, to be written to.
void mount(inspect::Guest& guest, const inspect::GuestFacts& facts) {
  guest.unmount_all();
  for (inspect::GuestMount each : facts.mount_plan) {
    each.writable = true;
    guest.mount(each);
  }
}

std::vector<EditOutcome> apply(test::MadeUpGuest& made, const inspect::GuestInspection& found,
                               const ConversionPlan& plan) {
  mount(made.guest(), *found.chosen_guest());
  return apply_edits(made.guest(), edits_of_plan(made.guest(), plan));
}

class GoldenPlan : public ::testing::TestWithParam<std::string> {};

/// Lines that name a label, a UUID or a logical volume, and comments, stay as they are.
void expect_lasting_lines_stay(const PlanStep& step) {
  std::istringstream before(step.before), after(step.after);
  for (std::string old, now; std::getline(before, old);) {
    ASSERT_TRUE(std::getline(after, now));
    const bool lasting = old.starts_with("LABEL=") || old.starts_with("UUID=") ||
                         old.starts_with("PARTUUID=") || old.starts_with("#") ||
                         old.starts_with("/dev/mapper/vg") || old.starts_with("/dev/vg");
    if (lasting) {
      EXPECT_EQ(old, now);
    }
  }
}

// SEMANTICS: "each file that would change with a unified diff and the reason"
TEST_P(GoldenPlan, is_as_expected) {
  test::MadeUpGuest made(GetParam());
  const ConversionPlan plan = plan_of(made);
  for (const PlanStep& step : plan.steps) {
    if (step.path == "/etc/fstab") expect_lasting_lines_stay(step);
  }
  const std::string json = conversion_json(plan);
  const fs::path expected = kGolden / (GetParam() + ".json");
  if (std::getenv("V2VFS_UPDATE_GOLDEN")) std::ofstream(expected, std::ios::binary) << json;
  EXPECT_EQ(json, read_file(expected));
}

/// Through the real applier: what was planned is then so, and nothing is left to be planned.
TEST_P(GoldenPlan, once_applied_nothing_is_left) {
  test::MadeUpGuest made(GetParam());
  const inspect::GuestInspection found = inspection_of(made);
  const ConversionPlan plan = plan_conversion(found, made.machine());
  if (plan.state == PlanState::unsupported) return;
  for (const EditOutcome& outcome : apply(made, found, plan)) {
    EXPECT_FALSE(outcome.failure) << outcome.path << ": " << outcome.failure->sentence();
    EXPECT_FALSE(outcome.replaced_another) << outcome.path;
  }
  const ConversionPlan again = plan_of(made);
  for (const PlanStep& step : again.steps) ADD_FAILURE() << step.path << ": " << step.after;
  EXPECT_EQ(again.capabilities, plan.capabilities);
}

INSTANTIATE_TEST_SUITE_P(Guests, GoldenPlan, ::testing::ValuesIn(all_guests()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenPlanSet, is_complete) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, all_guests());
}

// SEMANTICS: "installed: share/v2vfs/schemas/conversion.schema.json"
TEST(ConversionJson, is_valid_by_its_schema) {
  const fs::path folder =
      fs::temp_directory_path() / ("v2vfs-plan-schema-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::string files;
  ConversionResult done{"converted", "", {{"/etc/fstab", "as planned"}}};
  for (const char* const name : {"debian12-vmware", "rhel5-sda", "alma9-lvm", "no-way", "win10"}) {
    test::MadeUpGuest made(name);
    const fs::path file = folder / (std::string(name) + ".json");
    const bool after = std::string_view(name) == "rhel5-sda";
    std::ofstream(file) << conversion_json(plan_of(made), after ? &done : nullptr);
    files += " '" + file.string() + "'";
  }
  const std::string command = "python3 -B '" + std::string(V2VFS_CHECK_SCHEMA) + "' '" +
                              V2VFS_SOURCE_TREE "/convert/guest/conversion.schema.json'" + files;
  EXPECT_EQ(std::system(command.c_str()), 0);
  fs::remove_all(folder);
}

// SEMANTICS: "Afterwards conversion.json has the outcome of each step"
TEST(ConversionJson, says_what_became_of_each_step) {
  test::MadeUpGuest made("debian12-vmware");
  const ConversionResult result{"failed", "no space", {{"/etc/fstab", "written"}}};
  const Json json = Json::parse(conversion_json(plan_of(made), &result));
  EXPECT_EQ(json["state"], "failed");
  EXPECT_EQ(json["reason"], "no space");
  for (const Json& step : json["steps"]) {
    if (step["path"] == "/etc/fstab") {
      EXPECT_EQ(step["outcome"], "written");
    } else if (step["path"] == "/boot/grub/grub.cfg") {
      EXPECT_TRUE(step["outcome"].is_null());
    }
  }
}

/// An edited file wins over the plan, and the rest of the plan stays.
// SEMANTICS: "Once a file is edited the conversion leaves it alone"
TEST(UserEdits, are_left_out) {
  test::MadeUpGuest made("debian12-vmware");
  ConversionOptions options;
  options.edited_paths = {"/etc/fstab", "/etc/udev/rules.d/70-v2vfs-net.rules"};
  const ConversionPlan plan = plan_of(made, options);
  for (const PlanStep& step : plan.steps) EXPECT_EQ(options.edited_paths.count(step.path), 0u);
  EXPECT_GT(plan.steps.size(), 5u);
  const auto said = [&](const std::string& sentence) {
    return std::count(plan.notes.begin(), plan.notes.end(), sentence);
  };
  EXPECT_EQ(said("/etc/fstab is left as it was edited"), 1);
}

/// Owner and mode of what is edited stay; what is new is root's.
TEST(PlanEdits, keep_owner_and_mode) {
  test::MadeUpGuest made("debian12-vmware");
  const inspect::GuestInspection found = inspection_of(made);
  mount(made.guest(), *found.chosen_guest());
  made.guest().set_permissions("/etc/fstab", 0640);
  made.guest().set_owner("/etc/fstab", 0, 4);
  apply(made, found, plan_conversion(found, made.machine()));
  const inspect::FileStat stat = made.guest().stat("/etc/fstab");
  EXPECT_EQ(stat.permissions, 0640u);
  EXPECT_EQ(stat.gid, 4u);
  const inspect::FileStat rules = made.guest().stat("/etc/udev/rules.d/70-v2vfs-net.rules");
  EXPECT_EQ(rules.permissions, 0644u);
  EXPECT_EQ(rules.uid, 0u);
}

TEST(PlanEdits, label_new_files_by_the_guests_policy) {
  test::MadeUpGuest made("debian12-vmware");
  mount(made.guest(), *inspection_of(made).chosen_guest());
  made.guest().make_directory("/etc/selinux", 0755);
  made.guest().write_file("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n");
  for (const char* const folder : {"/etc/selinux/targeted", "/etc/selinux/targeted/contexts",
                                   "/etc/selinux/targeted/contexts/files"}) {
    made.guest().make_directory(folder, 0755);
  }
  made.guest().write_file("/etc/selinux/targeted/contexts/files/file_contexts",
                          "/etc/udev/rules\\.d(/.*)?\tsystem_u:object_r:udev_rules_t:s0\n");
  const inspect::GuestInspection found = inspection_of(made);
  mount(made.guest(), *found.chosen_guest());
  const auto edits = edits_of_plan(made.guest(), plan_conversion(found, made.machine()));
  bool seen = false;
  for (const GuestEdit& edit : edits) {
    if (edit.path != "/etc/udev/rules.d/70-v2vfs-net.rules") continue;
    ASSERT_EQ(edit.wanted.xattrs.size(), 1u);
    EXPECT_EQ(edit.wanted.xattrs[0].value, std::string("system_u:object_r:udev_rules_t:s0\0", 34));
    seen = true;
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace v2vfs::convert
