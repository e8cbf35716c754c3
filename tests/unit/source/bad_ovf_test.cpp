// SPDX-License-Identifier: MIT
//
// Each file of tests/bad/ovf has the outcome that OUTCOMES.tsv says, within two seconds. Files that
// would be large are made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>
#include <sstream>

#include "inspect/base/error.h"
#include "inspect/source/ovf.h"
#include "inspect/source/source.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

const fs::path kBad = V2VFS_BAD_OVF;

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

/// The folder in which a hostile descriptor stands: with what it may have, and what it may not.
class Lair {
 public:
  Lair() {
    folder_.write("secret", "secret");
    folder_.write("vm/good.vmdk", "good");
    folder_.write("vm/folder/x", "x");
    fs::create_symlink("../secret", folder_.path("vm/link.vmdk"));
    fs::create_symlink("..", folder_.path("vm/linked"));
    ::mkfifo(folder_.path("vm/fifo").c_str(), 0600);
  }
  std::string add(const Row& row) const {
    folder_.write("vm/" + row.file, testing::read_whole(kBad / row.file));
    return folder_.path("vm/" + row.file);
  }

 private:
  testing::TempFolder folder_;
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
  EXPECT_EQ(check_json(source).find("\x1b"), std::string::npos);
}

class BadOvf : public ::testing::TestWithParam<Row> {};

TEST_P(BadOvf, has_its_outcome) {
  const Row& row = GetParam();
  const Lair lair;
  const std::string path = lair.add(row);
  const testing::CpuTimer timer;
  if (row.outcome == "refused") {
    EXPECT_THAT(refusal_of(path), HasSubstr(row.says));
  } else {
    expect_machine(find_machines({path}, {}), row);
  }
  EXPECT_LT(timer.seconds(), 2);
}

INSTANTIATE_TEST_SUITE_P(Files, BadOvf, ::testing::ValuesIn(read_rows()),
                         [](const auto& param_info) {
                           std::string name =
                               param_info.param.file.substr(0, param_info.param.file.rfind('.'));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(BadOvfSet, lists_every_file) {
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kBad)) {
    files += entry.path().extension() == ".ovf";
  }
  EXPECT_EQ(files, read_rows().size());
  EXPECT_GE(files, 60u);
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string refusal_of_text(const std::string& text) {
  const testing::CpuTimer timer;
  std::string sentence;
  try {
    parse_ovf(text, "bad.ovf", {});
  } catch (const Error& error) {
    sentence = error.sentence();
  }
  EXPECT_LT(timer.seconds(), 2);
  return sentence;
}

TEST(LargeOvf, nested_a_hundred_thousand_deep_is_refused) {
  const std::string deep = repeated("<a>", 100'000) + repeated("</a>", 100'000);
  EXPECT_THAT(refusal_of_text("<Envelope>" + deep + "</Envelope>"), HasSubstr("deeper than 256"));
  EXPECT_THAT(refusal_of_text("<Envelope>" + repeated("<a>", 1'000'000)), HasSubstr("too many"));
}

TEST(LargeOvf, of_many_nodes_or_attributes_is_refused) {
  EXPECT_THAT(refusal_of_text("<Envelope>" + repeated("<a/>", 250'000) + "</Envelope>"),
              HasSubstr("more than 200,000 nodes"));
  EXPECT_THAT(refusal_of_text("<Envelope>" + repeated("<a/>", 1'000'000) + "</Envelope>"),
              HasSubstr("too many"));
  EXPECT_THAT(refusal_of_text("<Envelope " + repeated("a='' ", 700'000) + "/>"),
              HasSubstr("too many"));
  EXPECT_THAT(refusal_of_text("<Envelope a='" + std::string(9 << 20, 'x') + "'/>"),
              HasSubstr("8 MiB"));
}

TEST(LargeOvf, collections_nested_deeper_than_64_are_refused) {
  const auto nested = [](std::size_t depth) {
    return "<Envelope>" + repeated("<VirtualSystemCollection>", depth) +
           "<VirtualSystem id='vm'/>" + repeated("</VirtualSystemCollection>", depth) +
           "</Envelope>";
  };
  EXPECT_EQ(parse_ovf(nested(64), "a.ovf", {}).machines.size(), 1u);
  EXPECT_THAT(refusal_of_text(nested(65)), HasSubstr("64 levels"));
}

TEST(LargeOvf, many_machines_of_one_name_take_little_time) {
  const std::string text =
      "<Envelope>" + repeated("<VirtualSystem id='vm'><Name>vm</Name></VirtualSystem>", 9'000) +
      "</Envelope>";
  const testing::TempFolder folder;
  folder.write("many.ovf", text);
  const testing::CpuTimer timer;
  const FoundSource source = find_machines({folder.path()}, {});
  EXPECT_LT(timer.seconds(), 2);
  EXPECT_EQ(source.machines.size(), 9'000u);
  std::set<std::string> folders;
  for (const FoundMachine& machine : source.machines) folders.insert(machine.folder);
  EXPECT_EQ(folders.size(), 9'000u);
}

TEST(LargeOvf, fills_no_list_without_end) {
  const std::string items = repeated(
      "<Item><InstanceID>1</InstanceID><ResourceType>17</ResourceType></Item>"
      "<Item><InstanceID>1</InstanceID><ResourceType>6</ResourceType></Item>"
      "<Item><InstanceID>1</InstanceID><ResourceType>10</ResourceType></Item>"
      "<Item><InstanceID>1</InstanceID><ResourceType>1</ResourceType></Item>",
      9'000);
  const OvfEnvelope envelope =
      parse_ovf("<Envelope><VirtualSystem id='vm'><VirtualHardwareSection>" + items +
                    "</VirtualHardwareSection></VirtualSystem></Envelope>",
                "a.ovf", {});
  const MachineSpec& spec = envelope.machines.at(0).spec;
  EXPECT_EQ(spec.disks.size(), 512u);
  EXPECT_EQ(spec.controllers.size(), 64u);
  EXPECT_EQ(spec.nics.size(), 64u);
  EXPECT_LE(spec.assumptions.size(), 201u);
  EXPECT_LE(spec.ignored.size(), 201u);
  EXPECT_LE(spec.problems.size(), 201u);
}

}  // namespace
}  // namespace v2vfs::inspect
