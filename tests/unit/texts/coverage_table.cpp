// SPDX-License-Identifier: MIT
#include "tests/unit/texts/coverage_table.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <cstdlib>

// std::regex calls itself for each byte that it passes, and leaves the stack in a long text.

namespace v2vfs::inspect::testing {
namespace {

std::string re2_of(std::string pattern) {
  for (std::size_t at; (at = pattern.find("[^]")) != std::string::npos;) {
    pattern.replace(at, 3, "(?s:.)");
  }
  return pattern;
}

RE2::Options options() {
  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // some descriptions are not UTF-8
  return options;
}

}  // namespace

void expect_no_empty_row(const char* kind, std::span<const Row> rows,
                         const std::map<std::string, std::string>& texts) {
  const bool with_names = std::getenv("V2VFS_MATRIX") != nullptr;
  for (const Row& row : rows) {
    const RE2 pattern(re2_of(row.pattern), options());
    ASSERT_TRUE(pattern.ok()) << kind << ": " << row.what << ": " << pattern.error();
    std::string names;
    unsigned count = 0;
    for (const auto& [name, text] : texts) {
      if (!RE2::PartialMatch(text, pattern)) continue;
      ++count;
      if (with_names) names += " " + name;
    }
    fmt::print("{:8} {:36} {:3}{}\n", kind, row.what, count, names);
    EXPECT_GT(count, 0u) << kind << ": " << row.what;
  }
}

}  // namespace v2vfs::inspect::testing
