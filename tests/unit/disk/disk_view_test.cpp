// SPDX-License-Identifier: MIT
#include "convert/disk/disk_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "tests/support/output_file.h"
#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;

constexpr std::uint64_t kOdd = 5 * 65536 + 37 * 512;
constexpr VmdkType kTypes[] = {VmdkType::stream_optimized, VmdkType::monolithic_sparse,
                               VmdkType::monolithic_flat, VmdkType::two_gb_sparse,
                               VmdkType::two_gb_flat};

/// Sizes, stretches and holes must agree with each other and with what read() gives.
void expect_honest(DiskView& view) {
  EXPECT_GE(view.cold_bytes(), 8 * kMiB);
  EXPECT_GE(view.tail_bytes(), 8 * kMiB);
  EXPECT_EQ(view.file_bytes() % view.cluster_bytes(), 0u);
  std::uint64_t data = 0;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < view.file_bytes();) {
    const Stretch stretch = view.stretch_at(at);
    ASSERT_GT(stretch.end, at);
    ASSERT_LE(stretch.end, view.file_bytes());
    if (stretch.is_hole) {
      bytes.resize(stretch.end - at);
      view.read(at, bytes);
      ASSERT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) << at;
    } else {
      data += stretch.end - at;
    }
    at = stretch.end;
  }
  EXPECT_EQ(view.allocated_bytes(), data);
}

void expect_right(DiskView& view, const Content& content) {
  EXPECT_EQ(view.virtual_bytes(), content.bytes());
  EXPECT_EQ(Qcow2Reader(view).check(), "");
  EXPECT_EQ(differences(view, content), "");
  expect_honest(view);
}

TEST(DiskView, shows_every_subformat_in_both_layouts) {
  for (const VmdkType type : kTypes) {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{512}, std::uint64_t{65024}, kOdd, 3 * kMiB}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(type) << " " << bytes);
      const TestDisk disk(bytes, {.type = type, .extent_bytes = kMiB});
      expect_right(*disk.open(), disk.content());
      expect_right(*disk.open(plain()), disk.content());
      expect_right(*disk.open(verified()), disk.content());
    }
  }
}

TEST(DiskView, shows_what_writers_vary) {
  const VmdkOptions variations[] = {{.directory_in_footer = false},
                                    {.pad_last_grain = true},
                                    {.zero_grains = true},
                                    {.shuffle = true},
                                    {.type = VmdkType::monolithic_sparse, .zero_grains = true},
                                    {.type = VmdkType::monolithic_sparse, .shuffle = true}};
  for (const VmdkOptions& options : variations) {
    const TestDisk disk(3 * kMiB + 512, options);
    const auto view = disk.open();
    EXPECT_FALSE(is_plain(*view));
    expect_right(*view, disk.content());
    expect_right(*disk.open(plain()), disk.content());
  }
}

TEST(DiskView, takes_the_grain_as_cluster_where_it_can) {
  struct Row {
    VmdkType type;
    std::uint64_t grain_sectors;
    std::uint64_t cluster;  // 0: laid one to one
  };
  const Row rows[] = {
      {VmdkType::stream_optimized, 8, 0},        {VmdkType::stream_optimized, 64, 0},
      {VmdkType::stream_optimized, 256, 131072}, {VmdkType::stream_optimized, 4096, 2097152},
      {VmdkType::stream_optimized, 8192, 0},     {VmdkType::monolithic_sparse, 8, 4096},
      {VmdkType::monolithic_sparse, 16, 8192},   {VmdkType::monolithic_sparse, 4096, 2097152},
      {VmdkType::monolithic_sparse, 8192, 0}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.grain_sectors);
    const TestDisk disk(5 * kMiB + 512, {.type = row.type, .grain_sectors = row.grain_sectors});
    const auto view = disk.open();
    EXPECT_EQ(is_plain(*view), row.cluster == 0);
    EXPECT_EQ(view->cluster_bytes(), row.cluster ? row.cluster : 65536);
    expect_right(*view, disk.content());
  }
}

TEST(DiskView, lays_one_to_one_what_is_not_aligned) {
  const TestDisk shifted(kMiB, {.type = VmdkType::monolithic_sparse, .shift_grains = true});
  const TestDisk odd(3 * kMiB, {.type = VmdkType::two_gb_sparse, .extent_bytes = kMiB + 512});
  for (const TestDisk* disk : {&shifted, &odd}) {
    const auto view = disk->open();
    EXPECT_TRUE(is_plain(*view));
    expect_right(*view, disk->content());
  }
}

TEST(DiskView, two_raw_grains_on_one_place_are_laid_one_to_one) {
  const TestDisk raw(kMiB, {.type = VmdkType::monolithic_sparse, .damage = Damage::same_place});
  EXPECT_TRUE(is_plain(*raw.open()));
  EXPECT_EQ(Qcow2Reader(*raw.open()).check(), "");
  const TestDisk deflated(kMiB, {.damage = Damage::same_place});
  EXPECT_FALSE(is_plain(*deflated.open()));
  EXPECT_EQ(Qcow2Reader(*deflated.open()).check(), "");
}

TEST(DiskView, refcounts_beyond_16_bits_are_laid_one_to_one) {
  const TestDisk disk(66000 * 65536ull, {.damage = Damage::many_references});
  const auto view = disk.open();
  EXPECT_TRUE(is_plain(*view));
  Qcow2Reader reader(*view);
  EXPECT_EQ(reader.guest_cluster(65999), reader.guest_cluster(0));
  EXPECT_EQ(reader.refcount(reader.l2_entry(65999) % (1ull << 56) / 65536), 1u);
}

TEST(DiskView, damaged_tables_are_errors_and_nothing_else_is) {
  const TestDisk good(3 * kMiB);
  for (const VmdkType type : {VmdkType::stream_optimized, VmdkType::monolithic_sparse}) {
    const TestDisk entry(3 * kMiB, {.type = type, .damage = Damage::entry_past_end});
    const TestDisk table(40 * kMiB, {.type = type, .damage = Damage::table_past_end});
    for (const ViewOptions& options : {ViewOptions{}, plain(), verified()}) {
      const auto view = entry.open(options);
      const std::string bad = differences(*view, entry.content());
      EXPECT_EQ(std::ranges::count(bad, ' '), 1) << bad;
      EXPECT_EQ(std::ranges::count(bad, '!'), 0) << bad;
      EXPECT_EQ(Qcow2Reader(*view).check(), "");
      const auto broken = table.open(options);
      const std::string all = differences(*broken, table.content());
      EXPECT_TRUE(all.starts_with("0 1 2 3 ")) << all;
      EXPECT_TRUE(all.ends_with(" 511 ")) << all;
      EXPECT_EQ(std::ranges::count(all, ' '), 512);
      EXPECT_EQ(Qcow2Reader(*broken).check(), "");
      EXPECT_EQ(broken->verify(nullptr).grains_damaged, 512u);
    }
  }
}

TEST(DiskView, a_table_that_only_the_redundant_copy_has_is_damaged) {
  const TestDisk disk(3 * kMiB,
                      {.type = VmdkType::monolithic_sparse, .damage = Damage::missing_table});
  const auto view = disk.open();
  EXPECT_EQ(std::ranges::count(differences(*view, disk.content()), ' '), 48);
  EXPECT_EQ(Qcow2Reader(*view).check(), "");
}

TEST(DiskView, flipped_bits_are_found_where_grains_are_verified) {
  for (const Damage damage : {Damage::flipped_bit, Damage::wrong_marker}) {
    const TestDisk disk(3 * kMiB, {.damage = damage});
    for (const ViewOptions& options : {verified(), plain()}) {
      const auto view = disk.open(options);
      const std::string bad = differences(*view, disk.content());
      EXPECT_EQ(std::ranges::count(bad, ' '), 1) << bad;
      EXPECT_EQ(std::ranges::count(bad, '!'), 0) << bad;
      const VerifyReport report = view->verify(nullptr);
      EXPECT_EQ(report.grains_damaged, 1u);
      EXPECT_GT(report.grains_checked, 10u);
      EXPECT_NE(report.first_damage.find("disk.vmdk, byte "), std::string::npos);
    }
  }
}

TEST(DiskView, verifying_stops_when_told) {
  const TestDisk disk(3 * kMiB);
  EXPECT_EQ(disk.open()->verify([] { return true; }).grains_checked, 0u);
  EXPECT_EQ(disk.open()->verify(nullptr).grains_damaged, 0u);
}

// SEMANTICS: "A deflated grain is served without the checksum behind it"
// SEMANTICS: "inflates each grain once before it is served and answers EIO"
TEST(DiskView, a_verified_grain_is_verified_for_any_byte_of_it) {
  const TestDisk disk(3 * kMiB, {.damage = Damage::flipped_bit});
  const auto view = disk.open(verified());
  const auto unverified = disk.open();
  Qcow2Reader reader(*unverified);
  const std::string bad = differences(*view, disk.content());
  const std::uint64_t entry = reader.l2_entry(std::stoull(bad));
  const std::uint64_t start = entry & ((1ull << 54) - 1);
  std::byte byte{};
  EXPECT_THROW(view->read(start, {&byte, 1}), Error);
  EXPECT_THROW(view->read(start - 2, {&byte, 1}), Error);
  EXPECT_NO_THROW(unverified->read(start, {&byte, 1}));
}

TEST(DiskView, positions_do_not_depend_on_holes) {
  const TestDisk disk(5 * kMiB, {.type = VmdkType::monolithic_flat});
  const auto before = disk.open();
  const std::string record = before->layout_record();
  const std::string digest = before->tables_digest();
  EXPECT_LT(before->allocated_bytes(), disk.content().bytes() + 20 * 65536);
  {
    // The same bytes without a hole, as another file system would have them.
    OutputFile file(disk.path("disk-flat.vmdk"), OutputFile::Open::change);
    std::vector<std::byte> all(file.length());
    file.read(0, all);
    file.write(0, all);
  }
  const auto after = disk.open();
  EXPECT_EQ(after->layout_record(), record);
  EXPECT_EQ(after->tables_digest(), digest);
  EXPECT_EQ(after->source_identity(), before->source_identity());
}

TEST(DiskView, an_earlier_layout_is_kept) {
  const TestDisk disk(3 * kMiB);
  ViewOptions wide;
  wide.reserve_bytes = 7 * kMiB;
  const auto first = disk.open(wide);
  const auto again = disk.open(plain(), first->layout_record());
  EXPECT_EQ(again->layout_record(), first->layout_record());
  EXPECT_EQ(again->tables_digest(), first->tables_digest());
  expect_right(*again, disk.content());
  const auto plain_record = disk.open(plain())->layout_record();
  EXPECT_TRUE(is_plain(*disk.open({}, plain_record)));
}

TEST(DiskView, a_layout_of_another_disk_is_stale) {
  const TestDisk disk(3 * kMiB);
  const TestDisk other(3 * kMiB, {}, 99);
  const TestDisk larger(4 * kMiB);
  const auto refusal = [&](const std::string& record) {
    try {
      disk.open({}, record);
    } catch (const Error& error) {
      return error.error_number();
    }
    return 0;
  };
  EXPECT_EQ(refusal(other.open()->layout_record()), ESTALE);
  EXPECT_EQ(refusal(larger.open(plain())->layout_record()), ESTALE);
  EXPECT_EQ(refusal("nonsense"), ESTALE);
  EXPECT_EQ(refusal(disk.open()->layout_record()), 0);
}

TEST(DiskView, identity_is_the_tables_and_not_the_name) {
  const TestDisk disk(3 * kMiB);
  const TestDisk same(3 * kMiB);
  const TestDisk other(3 * kMiB, {}, 99);
  EXPECT_EQ(disk.open()->source_identity(), same.open()->source_identity());
  EXPECT_NE(disk.open()->source_identity(), other.open()->source_identity());
  std::filesystem::rename(same.path(), same.path("renamed.vmdk"));
  EXPECT_EQ(same.open({}, {}, "renamed.vmdk")->source_identity(), disk.open()->source_identity());
  EXPECT_EQ(disk.open()->source_identity(), disk.open(plain())->source_identity());
}

TEST(DiskView, raw_disks_of_odd_size_end_with_zeros) {
  TestDisk disk;
  disk.add_text("x.img", std::string(70000, 'x'));
  const auto view = disk.open({}, {}, "x.img");
  EXPECT_EQ(view->virtual_bytes(), 70144u);
  const auto last = Qcow2Reader(*view).guest_cluster(1);
  EXPECT_EQ(std::ranges::count(last, std::byte{'x'}), 70000 - 65536);
  expect_honest(*view);
}

/// A reference that leads nowhere is not an empty disk: zeros would look like one.
TEST(DiskView, a_disk_nobody_can_find_is_not_an_empty_one) {
  const Scratch scratch;
  inspect::DiskSpec spec;
  spec.capacity_bytes = kMiB;
  try {
    open_disk(TestFolder(scratch.path()), spec, {}, std::nullopt);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOENT);
  }
}

TEST(DiskView, empty_disks_need_no_file) {
  inspect::DiskSpec spec;
  spec.format = inspect::DiskFormat::empty;
  spec.capacity_bytes = 10 * kMiB + 512;
  const Scratch scratch;
  const auto view = open_disk(TestFolder(scratch.path()), spec, {}, std::nullopt);
  EXPECT_TRUE(view->source_files().empty());
  EXPECT_EQ(view->virtual_bytes(), *spec.capacity_bytes);
  EXPECT_EQ(Qcow2Reader(*view).check(), "");
  EXPECT_EQ(Qcow2Reader(*view).l2_entry(160), 0u);
  expect_honest(*view);
}

TEST(DiskView, is_thread_safe) {
  const TestDisk disk(5 * kMiB + 512);
  for (const ViewOptions& options : {verified(), plain()}) {
    const auto view = disk.open(options);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { EXPECT_EQ(differences(*view, disk.content()), ""); });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace v2vfs::convert
