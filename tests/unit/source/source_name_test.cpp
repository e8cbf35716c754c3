// SPDX-License-Identifier: MIT
#include "inspect/source/source_name.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/source/folder_names.h"

namespace v2vfs::inspect {
namespace {

TEST(RelativeName, drops_components_that_say_nothing) {
  EXPECT_EQ(relative_name("a"), "a");
  EXPECT_EQ(relative_name("./a/./b"), "a/b");
  EXPECT_EQ(relative_name("a/"), "a");
  EXPECT_EQ(relative_name("..a/b.."), "..a/b..");
  EXPECT_EQ(relative_name("a b\n"), "a b\n");
  EXPECT_EQ(relative_name(std::string(4096, 'a')).size(), 4096u);
}

TEST(RelativeName, refuses_what_could_lead_outside) {
  for (const std::string& name :
       {std::string(""), std::string("/a"), std::string(".."), std::string("../a"),
        std::string("a/.."), std::string("a/../b"), std::string("a//b"), std::string("."),
        std::string("./."), std::string("a\0b", 3), std::string(4097, 'a'), std::string("//")}) {
    try {
      relative_name(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EACCES) << name;
    }
  }
}

TEST(NameParts, are_folder_file_stem_and_suffix) {
  EXPECT_EQ(folder_part("a/b/c.d"), "a/b/");
  EXPECT_EQ(folder_part("c"), "");
  EXPECT_EQ(file_part("a/b/c.d"), "c.d");
  EXPECT_EQ(stem_part("a.b/c.d.e"), "c.d");
  EXPECT_EQ(stem_part("a/.b"), ".b");
  EXPECT_TRUE(has_suffix("A.OVF", ".ovf"));
  EXPECT_FALSE(has_suffix("ovf", ".ovf"));
}

TEST(PercentDecoded, leaves_what_is_no_code) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percent_decoded("100%"), "100%");
  EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
  EXPECT_EQ(percent_decoded("%00"), std::string(1, '\0'));
}

// SEMANTICS: "at most 200 bytes, unique"
TEST(FolderNames, number_what_is_taken) {
  FolderNames names;
  EXPECT_EQ(names.take("a"), "a");
  EXPECT_EQ(names.take("a"), "a-2");
  EXPECT_EQ(names.take("a-2"), "a-2-2");
  EXPECT_EQ(names.take("a"), "a-3");
  EXPECT_EQ(names.take("status.json"), "status.json-2");
  EXPECT_EQ(names.take("vapp.json"), "vapp.json-2");
}

TEST(FolderNames, are_never_longer_than_200_bytes) {
  FolderNames names;
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "ä";
  const std::string first = names.take(umlauts);
  const std::string second = names.take(umlauts);
  EXPECT_LE(first.size(), 200u);
  EXPECT_LE(second.size(), 200u);
  EXPECT_NE(first, second);
  EXPECT_TRUE(second.ends_with("-2"));
}

}  // namespace
}  // namespace v2vfs::inspect
