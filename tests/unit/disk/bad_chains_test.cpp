// SPDX-License-Identifier: MIT
// Each descriptor of tests/bad/chains has the outcome that OUTCOMES.tsv says.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;

const std::string kBad = V2VFS_BAD_CHAINS;
const std::map<std::string, int> kNumbers = {
    {"0", 0}, {"EIO", EIO}, {"ENOENT", ENOENT}, {"EACCES", EACCES}, {"EOPNOTSUPP", EOPNOTSUPP}};

/// errno and sentence of opening a disk.
std::pair<int, std::string> outcome(const std::string& file) {
  inspect::DiskSpec spec;
  spec.file = file;
  try {
    open_disk(TestFolder(kBad), spec, {}, std::nullopt);
  } catch (const Error& error) {
    return {error.error_number(), error.sentence()};
  }
  return {0, ""};
}

TEST(BadChains, have_the_outcomes_that_are_listed) {
  std::ifstream lines(kBad + "/OUTCOMES.tsv");
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    const std::string file = line.substr(0, first);
    SCOPED_TRACE(file);
    ++count;
    const auto [number, sentence] = outcome(file);
    EXPECT_EQ(number, kNumbers.at(line.substr(first + 1, second - first - 1))) << sentence;
    EXPECT_NE(sentence.find(line.substr(second + 1)), std::string::npos) << sentence;
  }
  EXPECT_GE(count, 36);
}

}  // namespace
}  // namespace v2vfs::convert
