// SPDX-License-Identifier: MIT
//
// Each machine of each tests/golden/ovf/NAME.ovf gives exactly the domain out/NAME.N.xml. Its JSON
// is checked by golden_ovf_test.cpp. V2VFS_UPDATE_GOLDEN=1 writes the domains anew; look at the
// difference before it is committed.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "convert/domain/domain_xml.h"
#include "inspect/source/ovf.h"
#include "tests/unit/source/source_fixture.h"
#include "tests/unit/texts/text_fixtures.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = V2VFS_GOLDEN "/ovf";
constexpr const char* kUuid = "11111111-2222-4333-8444-555555555555";

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".ovf") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenOvfDomain : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenOvfDomain, is_the_expected_one) {
  const std::string text = testing::read_whole(kGolden / (GetParam() + ".ovf"));
  std::size_t number = 0;
  for (const OvfMachine& machine : parse_ovf(text, GetParam() + ".ovf", {}).machines) {
    const fs::path expected = kGolden / "out" / fmt::format("{}.{}.xml", GetParam(), ++number);
    const std::string name = machine.spec.name.empty() ? "vm" : machine.spec.name;
    const std::string xml =
        convert::compatible_domain(machine.spec, name, kUuid, testing::disk_paths(machine.spec), {})
            .xml;
    EXPECT_TRUE(convert::is_domain_document(xml));
    if (std::getenv("V2VFS_UPDATE_GOLDEN")) std::ofstream(expected, std::ios::binary) << xml;
    EXPECT_EQ(xml, testing::read_whole(expected));
  }
  EXPECT_GT(number, 0u);
}

INSTANTIATE_TEST_SUITE_P(Dialects, GoldenOvfDomain, ::testing::ValuesIn(golden_names()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

/// With those of VMX, Xen and libvirt.
TEST(GoldenSet, has_sixty_descriptions) {
  EXPECT_GE(golden_names().size() + testing::text_fixtures().size(), 60u);
}

}  // namespace
}  // namespace v2vfs::inspect
