// SPDX-License-Identifier: MIT
//
// Each description in tests/golden/{vmx,xen,libvirt} gives exactly out/NAME.json and the domain
// out/NAME.xml. V2VFS_UPDATE_GOLDEN=1 writes them anew; look at the difference before it is
// committed.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "convert/domain/domain_xml.h"
#include "inspect/source/check_report.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"
#include "tests/unit/texts/text_fixtures.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using testing::TextFixture;

constexpr const char* kUuid = "11111111-2222-4333-8444-555555555555";

void expect_golden(const TextFixture& fixture, const char* extension, const std::string& text) {
  fs::path expected = fixture.file.parent_path() / "out" / fixture.file.stem();
  expected += extension;
  if (std::getenv("V2VFS_UPDATE_GOLDEN")) std::ofstream(expected, std::ios::binary) << text;
  EXPECT_EQ(text, testing::read_whole(expected));
}

class GoldenText : public ::testing::TestWithParam<TextFixture> {};

TEST_P(GoldenText, gives_the_expected_json) {
  expect_golden(GetParam(), ".json", machine_json(testing::described(GetParam()).spec));
}

// SEMANTICS: "Serial ports keep their numbers (four at most)"
// SEMANTICS: "Generation ID, serial numbers of disks and a clock in local time are kept"
TEST_P(GoldenText, gives_the_expected_domain) {
  const MachineSpec spec = testing::described(GetParam()).spec;
  const convert::DomainText domain =
      convert::compatible_domain(spec, spec.name, kUuid, testing::disk_paths(spec), {});
  EXPECT_TRUE(convert::is_domain_document(domain.xml));
  expect_golden(GetParam(), ".xml", domain.xml);
}

TEST_P(GoldenText, is_reported_for_people) {
  FoundSource source;
  source.machines.push_back({testing::described(GetParam()).spec, nullptr, "a/b", "vm"});
  const std::string report = check_report(source);
  EXPECT_NE(report.find("1 machine"), std::string::npos);
  EXPECT_EQ(report.find('\x1b'), std::string::npos);
}

std::string test_name(const ::testing::TestParamInfo<TextFixture>& info) {
  std::string name = info.param.name();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Products, GoldenText, ::testing::ValuesIn(testing::text_fixtures()),
                         test_name);

TEST(GoldenTextSet, is_there) { EXPECT_GE(testing::text_fixtures().size(), 40u); }

}  // namespace
}  // namespace v2vfs::inspect
