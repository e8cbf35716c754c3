// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_units.h"

#include <gtest/gtest.h>

namespace v2vfs::inspect::ovf {
namespace {

std::uint64_t bytes_of(std::string_view text) {
  const auto unit = parse_unit(text);
  return unit ? unit->bytes : 0;
}

TEST(Unit, is_read_in_every_spelling) {
  constexpr std::uint64_t kMebi = 1 << 20;
  for (const char* const text :
       {"byte * 2^20", "byte*2^20", "2^20 * byte", "2^20*byte", "byte * 1048576", "1048576",
        "byte * 1024 * 2^10", "MegaBytes", "megabytes", "MB", "mebibyte", "MiB",
        " byte  *  2 ^ 20 ", "BYTE * 2^20", "mebi * byte"}) {
    EXPECT_EQ(bytes_of(text), kMebi) << text;
  }
  EXPECT_EQ(bytes_of(""), 1u);
  EXPECT_EQ(bytes_of("byte"), 1u);
  EXPECT_EQ(bytes_of("byte * 10^9"), 1'000'000'000u);
  EXPECT_EQ(bytes_of("megabyte"), 1'000'000u);
  EXPECT_EQ(bytes_of("kilo * byte"), 1'000u);
  EXPECT_EQ(bytes_of("GigaBytes"), 1u << 30);
  EXPECT_EQ(bytes_of("KB"), 1024u);
  EXPECT_EQ(bytes_of("TB"), 1ULL << 40);
  EXPECT_EQ(bytes_of("byte * 2^0"), 1u);
  EXPECT_EQ(bytes_of("byte * 2^63"), 1ULL << 63);
}

TEST(Unit, that_makes_no_sense_is_none) {
  for (const char* const text :
       {"byte * 2^64", "byte * 2^-1", "2^", "^20", "*", "byte *", "0", "byte * 0", "Mo", "byte / 2",
        "hertz * 10^6", "99999999999999999999", "2^2^2", "byte * 10^20", "1 * 2^63 * 2"}) {
    EXPECT_FALSE(parse_unit(text)) << text;
  }
}

TEST(Unit, of_an_unofficial_word_is_a_guess) {
  EXPECT_TRUE(parse_unit("MegaBytes")->is_guess);
  EXPECT_TRUE(parse_unit("GB")->is_guess);
  EXPECT_FALSE(parse_unit("byte * 2^20")->is_guess);
  EXPECT_FALSE(parse_unit("megabyte")->is_guess);
}

TEST(Count, is_a_whole_number) {
  EXPECT_EQ(parse_count(" 42 "), 42u);
  EXPECT_EQ(parse_count("4096.0"), 4096u);
  EXPECT_EQ(parse_count("18446744073709551615"), 18446744073709551615u);
  for (const char* const text : {"", "-1", "+1", "1.5", "1.0.0", "0x10", "1 2", "1e3",
                                 "18446744073709551616", ".", "..", "four", "4,096"}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
}

TEST(Mac, is_taken_in_every_spelling) {
  for (const char* const text : {"00:50:56:AA:bb:CC", "005056AABBCC", "00-50-56-aa-bb-cc",
                                 "0050.56aa.bbcc", " 00:50:56:aa:bb:cc "}) {
    EXPECT_EQ(parse_mac(text), "00:50:56:aa:bb:cc") << text;
  }
  for (const char* const text :
       {"", "7", "00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:50:56:aa:bb",
        "00:50:56:aa:bb:cc:dd", "00:50:56:aa:bb:cg"}) {
    EXPECT_FALSE(parse_mac(text)) << text;
  }
}

TEST(Uuid, is_taken_in_every_spelling) {
  constexpr const char* kUuid = "564d7e0c-4a31-9b52-901f-6a77d0e412ab";
  for (const char* const text :
       {"564d7e0c-4a31-9b52-901f-6a77d0e412ab", "{564D7E0C-4A31-9B52-901F-6A77D0E412AB}",
        "56 4d 7e 0c 4a 31 9b 52-90 1f 6a 77 d0 e4 12 ab", "564d7e0c4a319b52901f6a77d0e412ab"}) {
    EXPECT_EQ(parse_uuid(text), kUuid) << text;
  }
  for (const char* const text : {"", "00000000-0000-0000-0000-000000000000", "not one",
                                 "564d7e0c-4a31-9b52-901f-6a77d0e412"}) {
    EXPECT_FALSE(parse_uuid(text)) << text;
  }
}

}  // namespace
}  // namespace v2vfs::inspect::ovf
