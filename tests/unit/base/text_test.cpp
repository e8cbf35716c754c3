// SPDX-License-Identifier: MIT
#include "inspect/base/text.h"

#include <gtest/gtest.h>

namespace v2vfs {
namespace {

TEST(CleanText, keeps_what_is_harmless) {
  EXPECT_EQ(clean_text("a b \"$(id)\" größe 日本 😀"), "a b \"$(id)\" größe 日本 😀");
  EXPECT_EQ(clean_text(""), "");
}

TEST(CleanText, escapes_controls_and_what_reorders_or_hides) {
  EXPECT_EQ(clean_text("a\nb\tc\x1b[31m\x7f"), "a\\x0ab\\x09c\\x1b[31m\\x7f");
  EXPECT_EQ(clean_text("\xc2\x85\xc2\x9b"), "\\xc2\\x85\\xc2\\x9b");                    // C1
  EXPECT_EQ(clean_text("\xe2\x80\xae\xe2\x81\xa6"), "\\xe2\\x80\\xae\\xe2\\x81\\xa6");  // bidi
  EXPECT_EQ(clean_text("\xe2\x80\x8b\xef\xbb\xbf"), "\\xe2\\x80\\x8b\\xef\\xbb\\xbf");  // no width
  EXPECT_EQ(clean_text(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(CleanText, escapes_bytes_that_are_no_utf_8) {
  EXPECT_EQ(clean_text("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(clean_text("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(clean_text("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(clean_text("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(clean_text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(clean_text("\xe2\x82"), "\\xe2\\x82");                    // cut short
}

TEST(CleanText, cuts_between_characters) {
  EXPECT_EQ(clean_text("abcdef", 6), "abcdef");
  EXPECT_EQ(clean_text("abcdefg", 6), "abcdef...");
  EXPECT_EQ(clean_text("ääää", 5), "ää...");
  EXPECT_EQ(clean_text("\x01\x01", 5), "\\x01...");
}

TEST(CleanMultiline, keeps_lines_and_tabs) {
  EXPECT_EQ(clean_multiline("a\n\tb\r\x01"), "a\n\tb\\x0d\\x01");
  EXPECT_EQ(clean_multiline(std::string(10'000, 'x')).size(), 10'000u);
}

// SEMANTICS: "no `/`, no control characters, no leading dot or dash"
TEST(SafeComponent, is_always_one_path_component) {
  EXPECT_EQ(safe_component("web 1"), "web 1");
  EXPECT_EQ(safe_component(""), "vm");
  EXPECT_EQ(safe_component("  "), "vm");
  EXPECT_EQ(safe_component("."), "_");
  EXPECT_EQ(safe_component(".."), "_.");
  EXPECT_EQ(safe_component("-rf"), "_rf");
  EXPECT_EQ(safe_component("../a/b"), "_._a_b");
  EXPECT_EQ(safe_component("a\nb"), "a\\x0ab");
  EXPECT_EQ(safe_component("$(touch pwn)"), "$(touch pwn)");
  EXPECT_EQ(safe_component(std::string(300, 'n')), std::string(197, 'n') + "...");
}

// SEMANTICS: "at most 200 bytes, unique"
TEST(SafeComponent, is_never_longer_than_200_bytes) {
  for (std::size_t length = 190; length < 310; ++length) {
    EXPECT_LE(safe_component(std::string(length, 'n')).size(), 200u);
    EXPECT_LE(safe_component(std::string(length, '\x01')).size(), 200u);
  }
}

TEST(Text, is_compared_and_trimmed_in_ascii_only) {
  EXPECT_EQ(to_lower("AbC-Ä"), "abc-Ä");
  EXPECT_TRUE(equals_ignoring_case("VmxNet3", "vmxnet3"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_EQ(trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
}

}  // namespace
}  // namespace v2vfs
