// SPDX-License-Identifier: MIT
#include "inspect/source/source_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "inspect/source/check_report.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// Every kind of text that could do harm in a terminal, a log or a JSON text.
const std::string kNasty = "a\x1b[31m\n\"\\\xff\xc2\x85\xe2\x80\xae$(id)\x7f";

MachineSpec nasty_machine() {
  MachineSpec spec;
  spec.name = spec.id = spec.os_type = kNasty;
  spec.description = "line one\nline two " + kNasty;
  spec.memory_bytes = 1ULL << 40;
  spec.controllers.push_back({ControllerKind::scsi_pvscsi, 1});
  DiskSpec disk;
  disk.id = kNasty;
  disk.file = kNasty;
  disk.controller = 0;
  spec.disks.push_back(disk);
  NicSpec nic;
  nic.network = nic.source_model = kNasty;
  spec.nics.push_back(nic);
  spec.assumptions = spec.ignored = {kNasty};
  spec.problems.push_back({"a-code", Severity::warning, kNasty, kNasty});
  return spec;
}

FoundSource nasty_source() {
  FoundSource source;
  FoundMachine machine;
  machine.spec = nasty_machine();
  machine.folder = "vm";
  machine.descriptor_path = "/" + kNasty;
  source.machines.push_back(machine);
  FoundAppliance appliance;
  appliance.descriptor_path = "/" + kNasty;
  appliance.spec.name = kNasty;
  appliance.spec.networks.push_back({kNasty, kNasty});
  appliance.spec.startup.push_back({kNasty, 1, 2, 3});
  appliance.spec.properties.push_back({kNasty, kNasty, kNasty});
  source.appliances.push_back(appliance);
  source.problems.push_back({"b-code", Severity::info, kNasty, ""});
  return source;
}

bool is_clean(const std::string& text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) return false;
  }
  return text.find("\xff") == std::string::npos && text.find("\xc2\x85") == std::string::npos &&
         text.find("\xe2\x80\xae") == std::string::npos;
}

TEST(SourceJson, holds_no_byte_that_could_do_harm) {
  const FoundSource source = nasty_source();
  for (const std::string& text : {machine_json(source.machines[0].spec), vapp_json(source),
                                  check_json(source), check_report(source)}) {
    EXPECT_TRUE(is_clean(text)) << text;
    EXPECT_THAT(text, HasSubstr("$(id)"));
  }
}

// SEMANTICS: "both in status.json, inspection.json's `source` and `--check`"
TEST(SourceJson, a_machine_has_the_keys_of_the_contract) {
  const Json machine = Json::parse(machine_json(nasty_machine()));
  for (const char* const key : {"name", "memory_bytes", "vcpus", "firmware", "nics", "disks",
                                "assumptions", "ignored", "problems"}) {
    EXPECT_TRUE(machine.contains(key)) << key;
  }
  for (const char* const key : {"mac", "model", "network"}) {
    EXPECT_TRUE(machine["nics"][0].contains(key)) << key;
  }
  for (const char* const key : {"code", "severity", "what", "fix"}) {
    EXPECT_TRUE(machine["problems"][0].contains(key)) << key;
  }
  EXPECT_EQ(machine["memory_bytes"], 1ULL << 40);
  EXPECT_EQ(machine["firmware"], "unknown");
  EXPECT_EQ(machine["controllers"][0]["kind"], "pvscsi");
  EXPECT_TRUE(machine["nics"][0]["mac"].is_null());
}

TEST(SourceJson, vapp_names_machines_by_their_folders) {
  const Json vapp = Json::parse(vapp_json(nasty_source()));
  EXPECT_EQ(vapp["startup"][0]["vm"], "vm");
  EXPECT_EQ(vapp["startup"][0]["order"], 1);
  EXPECT_EQ(vapp["startup"][0]["start_delay_s"], 2);
  EXPECT_EQ(vapp["startup"][0]["stop_delay_s"], 3);
  EXPECT_EQ(vapp["networks"].size(), 1u);
  EXPECT_EQ(vapp["properties"].size(), 1u);
}

TEST(SourceJson, vapp_of_several_appliances_has_the_lists_of_all) {
  FoundSource source = nasty_source();
  FoundAppliance other;
  other.descriptor_path = "/other";
  other.spec.name = "other";
  other.spec.networks.push_back({"back", ""});
  source.appliances.push_back(other);
  const Json vapp = Json::parse(vapp_json(source));
  EXPECT_EQ(vapp["networks"].size(), 2u);
  EXPECT_EQ(vapp["appliances"].size(), 2u);
  EXPECT_EQ(vapp["appliances"][1]["name"], "other");
  const Json none = Json::parse(vapp_json(FoundSource()));
  EXPECT_TRUE(none["startup"].is_array());
}

TEST(SourceJson, is_indented_by_two_and_ends_with_a_newline) {
  const std::string text = check_json(nasty_source());
  EXPECT_TRUE(text.starts_with("{\n  \"machines\": [\n"));
  EXPECT_TRUE(text.ends_with("}\n"));
}

TEST(CheckReport, says_what_a_person_wants_to_know) {
  const testing::TempFolder folder;
  folder.write("web.ovf", testing::small_ovf("web", "web.vmdk"));
  const std::string missing = check_report(find_machines({folder.path()}, {}));
  EXPECT_THAT(missing, HasSubstr("error (disk-missing): The disk's file \"web.vmdk\""));
  EXPECT_THAT(missing, HasSubstr("1 machine, 0 usable\n"));
  EXPECT_EQ(check_exit_code(find_machines({folder.path()}, {})), 1);
  folder.write("web.vmdk", "x");
  const std::string report = check_report(find_machines({folder.path()}, {}));
  EXPECT_THAT(report, HasSubstr("  512 MiB of memory, 2 CPUs, firmware unknown\n"));
  EXPECT_THAT(report, HasSubstr("  disk 1: \"web.vmdk\", vmdk, 1 GiB, pvscsi 0:0\n"));
  EXPECT_THAT(report, Not(HasSubstr("error")));
  EXPECT_EQ(check_exit_code(find_machines({folder.path()}, {})), 0);
}

TEST(CheckReport, writes_sizes_for_people) {
  EXPECT_EQ(readable_bytes(0), "0 bytes");
  EXPECT_EQ(readable_bytes(1023), "1023 bytes");
  EXPECT_EQ(readable_bytes(1536), "1.5 KiB");
  EXPECT_EQ(readable_bytes(8ULL << 40), "8 TiB");
}

}  // namespace
}  // namespace v2vfs::inspect
