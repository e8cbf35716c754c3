// SPDX-License-Identifier: MIT
#include "convert/guest/text_diff.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace v2vfs::convert {
namespace {

namespace fs = std::filesystem;

/// What patch(1) makes of it.
std::string patched(const std::string& before, const std::string& diff) {
  const fs::path folder = fs::temp_directory_path() / ("v2vfs-diff-" + std::to_string(::getpid()));
  fs::create_directories(folder / "etc");
  if (!before.empty()) std::ofstream(folder / "etc/x", std::ios::binary) << before;
  std::ofstream(folder / "diff", std::ios::binary) << diff;
  const std::string command = "cd '" + folder.string() + "' && patch -s -p1 <diff >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  std::ostringstream text;
  text << std::ifstream(folder / "etc/x", std::ios::binary).rdbuf();
  fs::remove_all(folder);
  return status == 0 ? text.str() : "patch failed: " + diff;
}

std::string diff_of(const std::string& before, const std::string& after) {
  return unified_diff(before.empty() ? "/dev/null" : "a/etc/x", before,
                      after.empty() ? "/dev/null" : "b/etc/x", after);
}

TEST(UnifiedDiff, of_equal_texts_is_empty) { EXPECT_EQ(diff_of("a\n", "a\n"), ""); }

TEST(UnifiedDiff, is_what_patch_takes) {
  const std::string lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
  const std::pair<std::string, std::string> cases[] = {
      {lines, "1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n11\ntwelve\n"},
      {lines, "0\n" + lines},
      {lines, lines + "13"},
      {"no end", "no end\n"},
      {"a\nb", "a\nc"},
      {"", "new\nfile\n"},
      {"", "no end"},
      {"a\r\nb\r\n", "a\r\nB\r\n"}};
  for (const auto& [before, after] : cases) {
    EXPECT_EQ(patched(before, diff_of(before, after)), after);
  }
}

TEST(UnifiedDiff, of_a_removed_file_names_no_new_one) {
  EXPECT_EQ(diff_of("a\nb\n", ""), "--- a/etc/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n");
}

TEST(UnifiedDiff, of_random_changes_gives_the_text_back) {
  std::mt19937 random(4);
  for (int round = 0; round < 20; ++round) {
    std::string before, after;
    for (int line = 0; line < 60; ++line) {
      const std::string text = "line " + std::to_string(random() % 12) + "\n";
      before += text;
      const unsigned what = random() % 10;
      if (what > 1) after += text;
      if (what == 1) after += "changed " + text;
    }
    EXPECT_EQ(patched(before, diff_of(before, after)), after);
  }
}

TEST(UnifiedDiff, of_a_hundred_thousand_lines_ends) {
  std::string before, after;
  for (int line = 0; line < 100'000; ++line) {
    before += "/dev/sda" + std::to_string(line) + "\n";
    after += (line % 1000 == 0 ? "UUID=" : "/dev/sda") + std::to_string(line) + "\n";
  }
  EXPECT_NE(diff_of(before, after).find("+UUID=99000\n"), std::string::npos);
}

}  // namespace
}  // namespace v2vfs::convert
