// SPDX-License-Identifier: MIT
//
// Real descriptors from other projects: no crash, less than two seconds each. They are no part of
// this project: V2VFS_CORPUS names their folder, else ../shared/corpus beside the project's or a
// folder above.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "inspect/base/error.h"
#include "inspect/source/check_report.h"
#include "inspect/source/source.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> corpus() {
  if (const char* const named = std::getenv("V2VFS_CORPUS")) return named;
  for (const char* const place : {"../shared/corpus", "../../shared/corpus"}) {
    const fs::path folder = fs::path(V2VFS_SOURCE_TREE) / place;
    if (fs::exists(folder)) return folder;
  }
  return std::nullopt;
}

/// Folders of descriptions, nearly all of which can be read; and of everything else.
constexpr std::array kDescriptions = {"ovf", "ova", "vmx", "xen", "libvirt-pairs"};
constexpr std::array kOthers = {"vmdk-descriptors", "vmdk-binaries", "mf", "guest-config"};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// One line of the table: how it came out, and what stands against it besides missing disks.
std::string outcome_of(const fs::path& file, std::map<std::string, int>& counts) {
  try {
    const FoundSource source = find_machines({file.string()}, {});
    std::map<std::string, int> codes;
    std::size_t assumptions = 0;
    for (const FoundMachine& machine : source.machines) {
      for (const Problem& problem : machine.spec.problems) ++codes[problem.code];
      assumptions += machine.spec.assumptions.size();
    }
    std::string all;
    for (const auto& [code, count] : codes) all += fmt::format(" {}x{}", code, count);
    codes.erase("disk-missing");
    ++counts[codes.empty() ? "described" : "described, with a problem"];
    EXPECT_FALSE(check_json(source).empty());
    return fmt::format("{} machine(s), {} assumed,{}", source.machines.size(), assumptions, all);
  } catch (const Error& error) {
    ++counts["refused"];
    return "refused: " + error.sentence();
  }
}

using Counts = std::map<std::string, int>;

Counts read_folder(const fs::path& folder) {
  Counts counts;
  for (const fs::path& file : files_in(folder)) {
    const testing::CpuTimer timer;
    const std::string outcome = outcome_of(file, counts);
    EXPECT_LT(timer.seconds(), 2) << file;
    fmt::print("{:60} {}\n", file.filename().string(), outcome);
  }
  return counts;
}

void print_counts(const char* folder, const Counts& counts) {
  for (const auto& [outcome, count] : counts) {
    fmt::print("total {:18} {:26} {}\n", folder, outcome, count);
  }
}

TEST(Corpus, is_read_without_a_crash_and_quickly) {
  const std::optional<fs::path> folder = corpus();
  if (!folder) GTEST_SKIP() << "no corpus: set V2VFS_CORPUS to the folder of real descriptors";
  int refused = 0;
  std::size_t all = 0;
  for (const char* const kind : kDescriptions) {
    const Counts counts = read_folder(*folder / kind);
    print_counts(kind, counts);
    if (const auto found = counts.find("refused"); found != counts.end()) refused += found->second;
    all += files_in(*folder / kind).size();
  }
  EXPECT_LE(refused * 10, static_cast<int>(all));
  for (const char* const kind : kOthers) print_counts(kind, read_folder(*folder / kind));
}

}  // namespace
}  // namespace v2vfs::inspect
