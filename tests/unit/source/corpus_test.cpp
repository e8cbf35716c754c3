// SPDX-License-Identifier: MIT
//
// Real descriptors from other projects: no crash, less than two seconds each. They are no part of
// this project: V2VFS_CORPUS names their folder, else ../shared/corpus beside the project's or a
// folder above.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
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

std::vector<fs::path> descriptors(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* const kind : {"ovf", "ova"}) {
    for (const auto& entry : fs::directory_iterator(folder / kind)) files.push_back(entry.path());
  }
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

TEST(Corpus, is_read_without_a_crash_and_quickly) {
  const std::optional<fs::path> folder = corpus();
  if (!folder) GTEST_SKIP() << "no corpus: set V2VFS_CORPUS to the folder of real descriptors";
  std::map<std::string, int> counts;
  for (const fs::path& file : descriptors(*folder)) {
    const testing::CpuTimer timer;
    const std::string outcome = outcome_of(file, counts);
    EXPECT_LT(timer.seconds(), 2) << file;
    fmt::print("{:60} {}\n", file.filename().string(), outcome);
  }
  for (const auto& [outcome, count] : counts) fmt::print("{}: {}\n", outcome, count);
  EXPECT_LE(counts["refused"] * 10, static_cast<int>(descriptors(*folder).size()));
}

}  // namespace
}  // namespace v2vfs::inspect
