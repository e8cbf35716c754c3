// SPDX-License-Identifier: MIT
//
// tests/bugs-of-others.md: each line has tests that exist, or says why there is none.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace v2vfs {
namespace {

namespace fs = std::filesystem;

const fs::path kTree = V2VFS_SOURCE_TREE;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// "Suite.name" of every TEST, TEST_F and TEST_P below tests/unit.
std::set<std::string> unit_tests() {
  std::set<std::string> names;
  const std::regex head(R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\))");
  for (const auto& entry : fs::recursive_directory_iterator(kTree / "tests/unit")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = read_file(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), head), end; it != end; ++it) {
      names.insert((*it)[1].str() + "." + (*it)[2].str());
    }
  }
  return names;
}

bool exists(const std::string& name, const std::set<std::string>& tests) {
  const std::size_t slash = name.find('/');
  if (name.starts_with("tests/")) return fs::exists(kTree / name);
  if (slash == std::string::npos) return tests.count(name) > 0;
  const std::string guest = name.substr(slash + 1) + ".json";
  const bool plan = name.starts_with("GoldenPlan.");
  return tests.count(name.substr(0, slash)) > 0 &&
         fs::exists(kTree / "tests/golden" / (plan ? "plans" : "guests") / guest);
}

TEST(BugTable, names_tests_that_exist) {
  const std::set<std::string> tests = unit_tests();
  const std::regex quoted("`([^`]+)`");
  std::istringstream table(read_file(kTree / "tests/bugs-of-others.md"));
  std::size_t lines = 0;
  for (std::string line; std::getline(table, line);) {
    if (!line.starts_with("| ") || line.starts_with("| their")) continue;
    ++lines;
    const std::string here = line.substr(line.rfind('|', line.size() - 2));
    EXPECT_GT(here.size(), 8u) << line;
    for (std::sregex_iterator it(here.begin(), here.end(), quoted), end; it != end; ++it) {
      EXPECT_TRUE(exists((*it)[1].str(), tests)) << (*it)[1].str();
    }
  }
  EXPECT_GE(lines, 35u);
}

}  // namespace
}  // namespace v2vfs
