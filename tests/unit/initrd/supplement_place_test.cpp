// SPDX-License-Identifier: MIT
#include "convert/guest/supplement_place.h"

#include <gtest/gtest.h>

namespace v2vfs::convert {
namespace {

using inspect::Compression;
using inspect::InitrdFacts;

InitrdFacts image(const std::string& compression, std::uint64_t bytes, std::uint64_t padding) {
  InitrdFacts facts;
  facts.segments.push_back({0, 512, 0, "none", 1, true});
  facts.segments.push_back({512, bytes, padding, compression, 5, true});
  facts.bytes = 512 + bytes + padding;
  return facts;
}

TEST(SupplementPlace, is_at_a_multiple_of_four_behind_all_but_lz4) {
  for (const char* const kind : {"none", "gzip", "bzip2", "lzma", "xz", "zstd"}) {
    const SupplementPlace place = place_supplement(image(kind, 1001, 0), {"gzip"});
    EXPECT_EQ(place.refusal, "");
    EXPECT_EQ(place.format, Compression::gzip);
    EXPECT_EQ(place.kept_bytes, 1513u);
    EXPECT_EQ(place.padding, 3u);
    EXPECT_EQ(place.tail_bytes, 0u);
  }
  const SupplementPlace place = place_supplement(image("gzip", 1001, 7), {"gzip"});
  EXPECT_EQ(place.kept_bytes, 1520u);
  EXPECT_EQ(place.padding, 0u);
}

TEST(SupplementPlace, follows_lz4_at_once_and_cuts_zeros_off) {
  const SupplementPlace place = place_supplement(image("lz4", 1001, 300), {"gzip", "lz4"});
  EXPECT_EQ(place.format, Compression::lz4);
  EXPECT_EQ(place.kept_bytes, 1513u);
  EXPECT_EQ(place.padding, 0u);
}

TEST(SupplementPlace, stores_it_plain_where_the_kernel_knows_no_gzip) {
  EXPECT_EQ(place_supplement(image("zstd", 1000, 0), {"zstd"}).format, Compression::none);
  EXPECT_EQ(place_supplement(image("zstd", 1000, 0), {}).format, Compression::gzip);
}

TEST(SupplementPlace, leaves_a_bootconfig_last) {
  InitrdFacts facts = image("gzip", 1001, 3);
  facts.tail = "bootconfig";
  facts.bytes += 60;
  SupplementPlace place = place_supplement(facts, {"gzip"});
  EXPECT_EQ(place.refusal, "");
  EXPECT_EQ(place.kept_bytes, 1516u);
  EXPECT_EQ(place.tail_offset, 1516u);
  EXPECT_EQ(place.tail_bytes, 60u);
  facts.bytes += 1 << 20;
  EXPECT_NE(place_supplement(facts, {"gzip"}).refusal, "");
}

TEST(SupplementPlace, is_nowhere_in_what_is_not_understood) {
  InitrdFacts facts = image("gzip", 1000, 0);
  facts.tail = "unknown";
  EXPECT_NE(place_supplement(facts, {}).refusal.find("not known"), std::string::npos);
  facts = image("lzo", 1000, 0);
  facts.problem = "lzo is not unpacked here";
  EXPECT_NE(place_supplement(facts, {}).refusal.find("lzo"), std::string::npos);
  EXPECT_NE(place_supplement(InitrdFacts(), {}).refusal, "");
}

}  // namespace
}  // namespace v2vfs::convert
