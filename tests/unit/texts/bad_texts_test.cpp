// SPDX-License-Identifier: MIT
//
// Each file of tests/bad/texts has the outcome that OUTCOMES.tsv says, within two seconds; and
// nothing that the fuzzers may find breaks what a machine promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <sstream>

#include "inspect/base/error.h"
#include "inspect/source/source.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

const fs::path kBad = fs::path(V2VFS_BAD) / "texts";

struct Row {
  std::string file;
  std::string outcome;
  std::string says;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.file; }

std::vector<Row> read_rows() {
  std::vector<Row> rows;
  std::istringstream lines(testing::read_whole(kBad / "OUTCOMES.tsv"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    rows.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                    line.substr(second + 1)});
  }
  return rows;
}

/// The folder in which a hostile description stands: with what it may have, and what it may not.
class Lair {
 public:
  explicit Lair(const std::string& file) : path_(folder_.path("vm/" + file)) {
    folder_.write("secret", "secret");
    folder_.write("vm/good.vmdk", "good");
    folder_.write("vm/folder/x", "x");
    fs::create_symlink("../secret", folder_.path("vm/link.vmdk"));
    fs::create_symlink("..", folder_.path("vm/linked"));
    ::mkfifo(folder_.path("vm/fifo").c_str(), 0600);
    folder_.write("vm/" + file, testing::read_whole(kBad / file));
  }
  const std::string& path() const { return path_; }

 private:
  testing::TempFolder folder_;
  std::string path_;
};

std::string refusal_of(const std::string& path) {
  try {
    find_machines({path}, {});
    return "";
  } catch (const Error& error) {
    return error.sentence();
  }
}

std::vector<std::string> codes_of(const MachineSpec& spec) {
  std::vector<std::string> codes;
  for (const Problem& problem : spec.problems) codes.push_back(problem.code);
  return codes;
}

void expect_machine(const FoundSource& source, const Row& row) {
  ASSERT_FALSE(source.machines.empty());
  const FoundMachine& machine = source.machines.back();
  const MachineSpec& spec = machine.spec;
  if (row.outcome == "problem") {
    EXPECT_THAT(codes_of(spec), Contains(row.says));
    EXPECT_FALSE(spec.usable());
  }
  if (row.outcome == "assumed") {
    EXPECT_THAT(spec.assumptions, Contains(HasSubstr(row.says)));
  }
  if (row.outcome == "ignored") {
    EXPECT_THAT(spec.ignored, Contains(HasSubstr(row.says)));
  }
  if (row.outcome == "folder") {
    EXPECT_EQ(machine.folder, row.says);
  }
  if (row.outcome == "listed") {
    EXPECT_THAT(spec.name, HasSubstr(row.says));
  }
  if (row.outcome == "fine") {
    EXPECT_THAT(codes_of(spec), ::testing::IsEmpty());
  }
  EXPECT_LE(machine.folder.size(), 200u);
  EXPECT_EQ(check_json(source).find('\x1b'), std::string::npos);
}

class BadText : public ::testing::TestWithParam<Row> {};

// SEMANTICS: "every reading that was a guess, `ignored` everything that was left out"
TEST_P(BadText, has_its_outcome) {
  const Row& row = GetParam();
  const Lair lair(row.file);
  const testing::CpuTimer timer;
  if (row.outcome == "refused") {
    EXPECT_THAT(refusal_of(lair.path()), HasSubstr(row.says));
  } else {
    expect_machine(find_machines({lair.path()}, {}), row);
  }
  EXPECT_LT(timer.seconds(), 2);
}

INSTANTIATE_TEST_SUITE_P(Files, BadText, ::testing::ValuesIn(read_rows()),
                         [](const auto& param_info) {
                           std::string name = param_info.param.file;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(BadTextSet, lists_every_file) {
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kBad)) {
    files += entry.path().filename() != "OUTCOMES.tsv";
  }
  EXPECT_EQ(files, read_rows().size());
  EXPECT_GE(files, 100u);
}

}  // namespace
}  // namespace v2vfs::inspect
