// SPDX-License-Identifier: MIT
//
// Each tests/golden/ovf/NAME.ovf, written in the manner of one product, gives exactly NAME.json.
// V2VFS_UPDATE_GOLDEN=1 writes the JSON anew; look at the difference before it is committed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "inspect/source/folder_names.h"
#include "inspect/source/ovf.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = V2VFS_GOLDEN_OVF;

/// As find_machines() does, but without a look at the disks' files.
FoundSource parse_only(const fs::path& file) {
  OvfEnvelope envelope = parse_ovf(testing::read_whole(file), file.filename().string(), {});
  FoundSource source;
  FolderNames names;
  for (OvfMachine& machine : envelope.machines) {
    FoundMachine found;
    found.folder = names.take(machine.spec.name);
    found.spec = std::move(machine.spec);
    found.descriptor_path = file.filename().string();
    source.machines.push_back(std::move(found));
  }
  source.appliances.push_back({envelope.appliance, file.filename().string()});
  return source;
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".ovf") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenOvf : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenOvf, gives_the_expected_json) {
  const std::string json = check_json(parse_only(kGolden / (GetParam() + ".ovf")));
  const fs::path expected = kGolden / (GetParam() + ".json");
  if (std::getenv("V2VFS_UPDATE_GOLDEN")) std::ofstream(expected, std::ios::binary) << json;
  EXPECT_EQ(json, testing::read_whole(expected));
}

INSTANTIATE_TEST_SUITE_P(Dialects, GoldenOvf, ::testing::ValuesIn(golden_names()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

TEST(GoldenOvfSet, is_there) { EXPECT_GE(golden_names().size(), 17u); }

// SEMANTICS: "Of an OVF with several configurations the default one is used"
TEST(OvfConfiguration, is_the_one_that_was_asked_for) {
  const std::string text = testing::read_whole(kGolden / "configurations.ovf");
  const MachineSpec small = parse_ovf(text, "a.ovf", {"small"}).machines.at(0).spec;
  EXPECT_EQ(small.vcpus, 1u);
  EXPECT_EQ(small.memory_bytes, 512u << 20);
  EXPECT_EQ(small.nics.size(), 1u);
  EXPECT_EQ(small.disks.at(1).capacity_bytes, 50ULL << 30);
  const MachineSpec other = parse_ovf(text, "a.ovf", {"huge"}).machines.at(0).spec;
  EXPECT_EQ(other.vcpus, 4u);
  EXPECT_THAT(other.assumptions, ::testing::Contains(::testing::HasSubstr("\"huge\"")));
}

}  // namespace
}  // namespace v2vfs::inspect
