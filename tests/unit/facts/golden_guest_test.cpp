// SPDX-License-Identifier: MIT
//
// Each guest of tests/golden/guests/make.py gives exactly tests/golden/guests/NAME.json:
// inspection.json without what is the same for all of them (source, disks, drivers that a kernel
// does not have). V2VFS_UPDATE_GOLDEN=1 writes the JSON anew; look at the difference before it is
// committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "inspect/guest/inspect_guest.h"
#include "inspect/guest/inspection_json.h"
#include "inspect/guest/inspection_xml.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kGolden = V2VFS_GOLDEN_GUESTS;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string in_short(const std::string& text) {
  Json json = Json::parse(text);
  json.erase("source");
  json.erase("as_of");
  Json firmware = json["disks"]["firmware"];
  json.erase("disks");
  json["firmware"] = firmware;
  for (Json& guest : json["guests"]) {
    for (Json& kernel : guest["kernels"]) {
      Json drivers = Json::object();
      for (const Json& driver : kernel["drivers"]) {
        if (driver["state"] == "absent") continue;
        drivers[driver["name"].get<std::string>()] =
            driver["state"].get<std::string>() + (driver["in_initrd"] == true ? ", in initrd" : "");
      }
      kernel["drivers"] = drivers;
      // Compressors of other versions give other sizes.
      if (kernel["initrd"].is_null()) continue;
      kernel["initrd"].erase("bytes");
      for (Json& segment : kernel["initrd"]["segments"]) segment.erase("bytes");
    }
  }
  return json.dump(1) + "\n";
}

MachineSpec a_machine() {
  MachineSpec spec;
  spec.id = spec.name = "made-up";
  spec.memory_bytes = 1 << 30;
  return spec;
}

GuestInspection inspection_of(test::MadeUpGuest& made) {
  InspectOptions options;
  options.osinfo_folder = made.osinfo_folder();
  return inspect_guest(made.guest(), options);
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenGuest : public ::testing::TestWithParam<std::string> {};

// SEMANTICS: "`guests` has every root that was found, `chosen` the index"
// SEMANTICS: "`readiness` says what stands between the machine and a life on KVM"
TEST_P(GoldenGuest, is_inspected_as_expected) {
  test::MadeUpGuest made(GetParam());
  const std::string full = inspection_json(a_machine(), inspection_of(made), {});
  const fs::path expected = kGolden / (GetParam() + ".json");
  if (std::getenv("V2VFS_UPDATE_GOLDEN"))
    std::ofstream(expected, std::ios::binary) << in_short(full);
  EXPECT_EQ(in_short(full), read_file(expected));
}

INSTANTIATE_TEST_SUITE_P(Releases, GoldenGuest, ::testing::ValuesIn(golden_names()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenGuestSet, is_complete) {
  std::vector<std::string> made = test::made_up_guests();
  std::sort(made.begin(), made.end());
  if (std::getenv("V2VFS_UPDATE_GOLDEN")) {
    for (const std::string& name : made) {
      if (!fs::exists(kGolden / (name + ".json")))
        std::ofstream(kGolden / (name + ".json")) << "\n";
    }
  }
  EXPECT_EQ(made, golden_names());
  EXPECT_GE(made.size(), 30u);
}

// SEMANTICS: "Its JSON Schema is installed: share/v2vfs/schemas/inspection.schema.json"
TEST(InspectionJson, is_valid_by_its_schema) {
  const fs::path folder =
      fs::temp_directory_path() / ("v2vfs-schema-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::string files;
  for (const char* const name : {"debian12", "fedora37", "rhel5", "win10", "uki"}) {
    test::MadeUpGuest made(name);
    const fs::path file = folder / (std::string(name) + ".json");
    std::ofstream(file) << inspection_json(a_machine(), inspection_of(made), {});
    files += " '" + file.string() + "'";
  }
  const std::string command = "python3 -B '" + std::string(V2VFS_CHECK_SCHEMA) + "' '" +
                              V2VFS_SOURCE_TREE "/inspect/guest/inspection.schema.json'" + files;
  EXPECT_EQ(std::system(command.c_str()), 0);
  fs::remove_all(folder);
}

// SEMANTICS: "What the machine is: its hardware as the source has it, and what is on its disks"
TEST(InspectionJson, says_when_and_of_what) {
  test::MadeUpGuest made("debian12");
  const auto when = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  const Json json = Json::parse(inspection_json(a_machine(), inspection_of(made), when));
  EXPECT_EQ(json["as_of"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(json["source"]["name"], "made-up");
  EXPECT_EQ(json["disks"]["tables"][0]["partitions"][0]["device"], "/dev/sda1");
}

}  // namespace
}  // namespace v2vfs::inspect
