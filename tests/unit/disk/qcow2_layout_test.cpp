// SPDX-License-Identifier: MIT
#include "convert/disk/qcow2_layout.h"

#include <gtest/gtest.h>

#include "inspect/base/checked.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t K = 1 << 10;
constexpr std::uint64_t M = 1 << 20;
constexpr std::uint64_t T = std::uint64_t{1} << 40;

/// What every layout must keep, whatever its numbers.
void expect_sound(const Qcow2Layout& l) {
  const std::uint64_t cluster = l.cluster_bytes;
  EXPECT_EQ(l.l1_offset, cluster);
  EXPECT_GE(l.refcount_table_offset, l.l1_offset + l.l2_tables * 8);
  EXPECT_EQ(l.refcount_blocks_offset, l.refcount_table_offset + 8 * M);  // cold zone >= 8 MiB
  EXPECT_EQ(l.l2_offset, l.refcount_blocks_offset + l.refcount_blocks * cluster);
  EXPECT_EQ(l.reserve_offset, l.l2_offset + l.l2_tables * cluster);
  EXPECT_GE(l.refcount_blocks * (cluster / 2) * cluster, l.file_bytes);
  EXPECT_GE(l.l2_tables * (cluster / 8) * cluster, l.virtual_bytes);
  EXPECT_EQ(l.file_bytes, l.tail_offset + 8 * M);
  std::uint64_t end = l.runs_offset();
  for (const Run& run : l.runs) {
    EXPECT_EQ(run.offset, end);
    EXPECT_EQ(run.offset % cluster, 0u);
    end = run.offset + round_up(run.shape.bytes, cluster);
  }
  EXPECT_EQ(l.tail_offset, end);
}

TEST(Qcow2Layout, has_the_positions_of_version_1) {
  // These numbers lie in users' state folders: a change of them is a new version.
  struct Row {
    LayoutInput in;
    std::uint64_t l2, reserve, runs, tail;
  };
  const Row rows[] = {
      {{0, 64 * K, 64 * M, {{RunKind::guest, 0, 0}}}, 8519680, 8519680, 75628544, 75628544},
      {{M, 64 * K, 64 * M, {{RunKind::guest, 0, M}}}, 8585216, 8650752, 75759616, 76808192},
      {{M + 512, 64 * K, 0, {{RunKind::file, 0, 1000}, {RunKind::single, 0, 64 * K}}},
       8585216,
       8650752,
       8650752,
       8781824},
      {{64 * M, 4 * K, M, {{RunKind::file, 0, 64 * M}}}, 8441856, 8572928, 9621504, 76730368},
      {{8 * T, 64 * K, 64 * M, {{RunKind::file, 0, 3 * T}}},
       109314048,
       1183055872,
       1250164736,
       3299785048064},
  };
  for (const Row& row : rows) {
    const auto layout = lay_out(row.in);
    ASSERT_TRUE(layout);
    expect_sound(*layout);
    EXPECT_EQ(layout->l2_offset, row.l2);
    EXPECT_EQ(layout->reserve_offset, row.reserve);
    EXPECT_EQ(layout->runs_offset(), row.runs);
    EXPECT_EQ(layout->tail_offset, row.tail);
  }
}

TEST(Qcow2Layout, is_sound_for_many_sizes) {
  for (std::uint64_t cluster = 4 * K; cluster <= 2 * M; cluster *= 2) {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{512}, cluster - 512, cluster, cluster + 512,
          cluster * cluster / 8, cluster * cluster / 8 + 512, 7 * T / 2}) {
      const auto layout = lay_out({bytes, cluster, cluster, {{RunKind::guest, 0, bytes}}});
      ASSERT_TRUE(layout) << cluster << " " << bytes;
      expect_sound(*layout);
    }
  }
}

TEST(Qcow2Layout, refuses_what_qemu_would_not_open) {
  const auto fits = [](std::uint64_t bytes, std::uint64_t cluster) {
    return lay_out({bytes, cluster, 0, {{RunKind::guest, 0, bytes}}}).has_value();
  };
  EXPECT_FALSE(fits(8 * T, 4 * K));  // the refcount table ends at 8 TiB of file
  EXPECT_TRUE(fits(7 * T, 4 * K));
  EXPECT_FALSE(fits(2048 * T, 64 * K));
  EXPECT_TRUE(fits(2000 * T, 64 * K));
  EXPECT_TRUE(fits(8192 * T, 256 * K));
  EXPECT_FALSE(fits(M, 2 * K));
  EXPECT_FALSE(fits(M, 4 * M));
  EXPECT_FALSE(fits(M, 96 * K));
  EXPECT_FALSE(fits(std::uint64_t{1} << 54, 2 * M));
  EXPECT_FALSE(lay_out({M, 64 * K, ~std::uint64_t{0}, {}}));
  EXPECT_FALSE(lay_out({M, 64 * K, 0, {{RunKind::file, 0, ~std::uint64_t{0}}}}));
  // A 2 MiB cluster leaves 49 bits for the offset of a compressed one.
  EXPECT_FALSE(lay_out({M, 2 * M, 0, {{RunKind::file, 0, std::uint64_t{1} << 49}}}));
}

TEST(Qcow2Layout, survives_as_text) {
  const auto layout =
      lay_out({M + 512,
               64 * K,
               3 * M,
               {{RunKind::file, 0, 1000}, {RunKind::file, 2, 5}, {RunKind::single, 0, 64 * K}}});
  ASSERT_TRUE(layout);
  EXPECT_EQ(parse_layout_text(layout_text(*layout)), layout);
}

TEST(Qcow2Layout, text_that_contradicts_itself_is_none) {
  const std::string text = layout_text(*lay_out({M, 64 * K, M, {{RunKind::guest, 0, M}}}));
  EXPECT_TRUE(parse_layout_text(text));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string copy = text;
    copy.replace(copy.find(from), from.size(), to);
    return parse_layout_text(copy).has_value();
  };
  EXPECT_FALSE(changed("v2vfs-layout 1", "v2vfs-layout 2"));
  EXPECT_FALSE(changed("virtual 1048576", "virtual 1048577000"));
  EXPECT_FALSE(changed("cluster 65536", "cluster 65535"));
  EXPECT_FALSE(changed("cluster 65536", "cluster 0"));
  EXPECT_FALSE(changed("l2 ", "l2 1"));
  EXPECT_FALSE(changed("run guest", "run ghost"));
  EXPECT_FALSE(parse_layout_text(text + "more"));
  EXPECT_FALSE(parse_layout_text(text.substr(0, text.size() / 2)));
  EXPECT_FALSE(parse_layout_text(""));
}

TEST(Qcow2Layout, default_reserve_grows_with_the_cluster) {
  EXPECT_EQ(default_reserve(4 * K), 64 * M);
  EXPECT_EQ(default_reserve(64 * K), 64 * M);
  EXPECT_EQ(default_reserve(2 * M), 2048 * M);
}

}  // namespace
}  // namespace v2vfs::convert
