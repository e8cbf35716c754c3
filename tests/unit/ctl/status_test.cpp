// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fs/status_json.h"
#include "inspect/base/error.h"
#include "mount-helpers/ctl/show_status.h"
#include "mount-helpers/ctl/vm_status.h"

// What the daemon writes is what v2vfsctl reads: the daemon's own code makes the texts here.

namespace v2vfs::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

fs::VmStatus vm_of_daemon(const std::string& name) {
  fs::VmStatus vm;
  vm.vm = name;
  vm.state = "unconverted";
  vm.disks.push_back({"disk.qcow2", 1 << 30, 1 << 20, false, "", {}});
  return vm;
}

MountStatus read(const fs::MountStatus& status) {
  return parse_mount_status(fs::to_json(status), "status.json");
}

const Terminal kPipe(false, false, 80);

TEST(Status, everything_that_the_daemon_says) {
  fs::VmStatus vm = vm_of_daemon("web");
  vm.stage = "inspecting";
  vm.failure = {"disk-unusable", "it is cut short", "export it again"};
  vm.disks[0].holders = {{::getpid(), true}, {1, false}};
  vm.pending_edits = {"/etc/fstab"};
  vm.waiting_for = {1};
  vm.integrity = {"damaged", "one grain", 5};
  vm.problems = {{"missing-disk", inspect::Severity::warning, "no b.vmdk", "put it there"}};
  const MountStatus status = read({{"/srv/a.ova", "/srv/b.ova"}, "/state", {vm}});
  EXPECT_EQ(status.sources.size(), 2u);
  const VmStatus& got = status.vms.at(0);
  EXPECT_EQ(got.name, "web");
  EXPECT_EQ(got.stage, "inspecting");
  EXPECT_EQ(got.error->code, "disk-unusable");
  EXPECT_EQ(got.writers(), std::vector<pid_t>{::getpid()});
  EXPECT_EQ(got.disks.at(0).readers, std::vector<pid_t>{1});
  EXPECT_EQ(got.virtual_bytes(), 1u << 30);
  EXPECT_EQ(got.written_bytes(), 1u << 20);
  EXPECT_EQ(got.pending_edits.at(0), "/etc/fstab");
  EXPECT_EQ(got.waiting_for.at(0), 1);
  EXPECT_EQ(got.integrity, "damaged");
  EXPECT_EQ(got.problems.at(0).fix, "put it there");
}

TEST(Status, a_table_with_what_is_wrong_below) {
  fs::VmStatus web = vm_of_daemon("web");
  web.failure = {"source-changed", "the source changed", "put it back"};
  web.state = "stale";
  web.disks[0].holders = {{::getpid(), true}};
  const std::string text =
      status_text("/mnt/vapp", read({{"/srv/a.ova"}, "/state", {vm_of_daemon("db"), web}}), kPipe);
  EXPECT_THAT(text, HasSubstr("/mnt/vapp  /srv/a.ova\n"));
  EXPECT_THAT(text, HasSubstr("  db   unconverted  -        1  1.0 GiB  1.0 MiB  -\n"));
  EXPECT_THAT(text, HasSubstr("ctl_test (" + std::to_string(::getpid()) + ")\n"));
  EXPECT_THAT(text, HasSubstr("  web: the source changed\n    -> put it back\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Status, what_goes_on) {
  VmStatus vm;
  EXPECT_EQ(activity_text(vm), "-");
  vm.integrity = "checking";
  EXPECT_EQ(activity_text(vm), "checking");
  vm.done_bytes = 1, vm.total_bytes = 4;
  EXPECT_EQ(activity_text(vm), "checking [===         ] 25 %");
  vm.stage = "making initrds";
  EXPECT_EQ(activity_text(vm), "making initrds");
}

TEST(Status, json_has_the_mount_point_and_the_vms_that_are_meant) {
  const std::string text =
      fs::to_json(fs::MountStatus{{"/a"}, "/state", {vm_of_daemon("db"), vm_of_daemon("web")}});
  const auto all = nlohmann::json::parse(chosen_status(text, "/mnt", {}, true));
  EXPECT_EQ(all.at("mountpoint"), "/mnt");
  EXPECT_EQ(all.at("vms").size(), 2u);
  const std::string one = chosen_status(text, "/mnt", {"web"}, false);
  EXPECT_EQ(nlohmann::json::parse(one).at("vms").at(0).at("vm"), "web");
  EXPECT_EQ(nlohmann::json::parse(one).at("vms").size(), 1u);
  EXPECT_THAT(one, Not(HasSubstr("\n")));
}

TEST(Status, what_is_none_is_an_error_with_its_name) {
  for (const char* const text : {"", "[]", "{}", R"({"version": 1})"}) {
    try {
      parse_mount_status(text, "/mnt/status.json");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_THAT(e.sentence(), HasSubstr("/mnt/status.json"));
    }
  }
}

}  // namespace
}  // namespace v2vfs::ctl
