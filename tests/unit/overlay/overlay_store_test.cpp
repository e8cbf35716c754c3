// SPDX-License-Identifier: MIT
#include "fs/overlay/overlay_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "fs/overlay/io.h"
#include "inspect/base/error.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/temp_folder.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kBlock = 64 * 1024;
constexpr std::uint64_t kMiB = 1024 * 1024;
using Bytes = std::vector<std::byte>;

// The store by its public door, on real files.
class Store : public testing::Test {
 protected:
  void make(std::uint64_t base_bytes) {
    base = std::make_shared<ByteBase>(base_bytes);
    store = OverlayStore::create(real_io(), folder.path(), base, {"source", "layout", "tables"});
  }
  void reopen() {
    store.reset();
    store = OverlayStore::open(real_io(), folder.path(), base);
    ASSERT_NE(store, nullptr);
  }
  Bytes read(std::uint64_t offset, std::uint64_t length) {
    Bytes out(length, std::byte{0xEE});
    out.resize(store->read(offset, out));
    return out;
  }
  Bytes of_base(std::uint64_t offset, std::uint64_t length) {
    const auto from = base->content().begin() + static_cast<std::ptrdiff_t>(offset);
    return Bytes(from, from + static_cast<std::ptrdiff_t>(length));
  }
  static Bytes fill(std::uint64_t length, int value) {
    return Bytes(length, static_cast<std::byte>(value));
  }
  int error_of(auto&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.error_number();
    }
    return 0;
  }

  TempFolder folder;
  std::shared_ptr<ByteBase> base;
  std::unique_ptr<OverlayStore> store;
};

TEST_F(Store, is_not_there_before_it_is_made) {
  base = std::make_shared<ByteBase>(1);
  EXPECT_EQ(OverlayStore::open(real_io(), folder.path(), base), nullptr);
  EXPECT_EQ(OverlayStore::identity(real_io(), folder.path()), std::nullopt);
}

TEST_F(Store, keeps_its_identity) {
  make(kMiB);
  const auto id = OverlayStore::identity(real_io(), folder.path());
  ASSERT_TRUE(id);
  EXPECT_EQ(id->source_identity, "source");
  EXPECT_EQ(id->layout_record, "layout");
  EXPECT_EQ(id->tables_digest, "tables");
}

TEST_F(Store, is_not_made_twice) {
  make(kMiB);
  EXPECT_EQ(error_of([&] { OverlayStore::create(real_io(), folder.path(), base, {}); }), EEXIST);
}

TEST_F(Store, files_are_private) {
  make(kMiB);
  for (const char* name : {"head", "data", "map.A", "map.B", "journal", "live"}) {
    struct stat st {};
    ASSERT_EQ(::stat((folder.path() + "/" + name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 07777, 0600u) << name;
  }
}

TEST_F(Store, refuses_a_base_of_another_size) {
  make(kMiB);
  store.reset();
  const auto other = std::make_shared<ByteBase>(kMiB + 1);
  EXPECT_EQ(error_of([&] { OverlayStore::open(real_io(), folder.path(), other); }), ESTALE);
}

TEST_F(Store, an_untouched_range_is_one_read_of_the_base_into_the_callers_buffer) {
  make(3 * kMiB);
  Bytes out(kMiB);
  ASSERT_EQ(store->read(kMiB / 2 + 17, out), kMiB);
  EXPECT_EQ(out, of_base(kMiB / 2 + 17, kMiB));
  EXPECT_EQ(base->reads, 1);
  EXPECT_EQ(base->last_buffer.load(), out.data());
  EXPECT_EQ(base->last_length, kMiB);
}

TEST_F(Store, reads_are_short_only_at_the_end) {
  make(kMiB + 100);
  EXPECT_EQ(read(kMiB + 50, 4096), of_base(kMiB + 50, 50));
  EXPECT_TRUE(read(kMiB + 100, 10).empty());
  EXPECT_TRUE(read(5 * kMiB, 10).empty());
}

TEST_F(Store, whole_blocks_are_written_without_reading_the_base) {
  make(4 * kMiB);
  store->write(kBlock, fill(2 * kMiB, 7));
  EXPECT_EQ(base->reads, 0);
  EXPECT_EQ(read(kBlock, 2 * kMiB), fill(2 * kMiB, 7));
  EXPECT_EQ(base->reads, 0);
}

TEST_F(Store, partial_writes_keep_what_is_around_them) {
  make(4 * kMiB);
  store->write(kBlock - 10, fill(3 * kBlock, 9));
  Bytes expected = of_base(0, 5 * kBlock);
  std::fill_n(expected.begin() + kBlock - 10, 3 * kBlock, std::byte{9});
  EXPECT_EQ(read(0, 5 * kBlock), expected);
  store->write(5, fill(1, 1));
  expected[5] = std::byte{1};
  EXPECT_EQ(read(0, 5 * kBlock), expected);
}

TEST_F(Store, a_partial_write_of_the_last_block_stays_inside_the_base) {
  make(kBlock + 100);
  store->write(kBlock + 90, fill(10, 3));
  EXPECT_EQ(store->bytes(), kBlock + 100);
  EXPECT_EQ(read(kBlock, 90), of_base(kBlock, 90));
  EXPECT_EQ(read(kBlock + 90, 100), fill(10, 3));
}

TEST_F(Store, what_is_acknowledged_is_there_after_reopening_without_a_barrier) {
  make(4 * kMiB);
  store->write(100, fill(10, 1));
  store->write(2 * kMiB, fill(kMiB, 2));
  store->punch(kMiB, kMiB);
  store->resize(6 * kMiB);
  reopen();
  EXPECT_EQ(store->bytes(), 6 * kMiB);
  EXPECT_EQ(read(100, 10), fill(10, 1));
  EXPECT_EQ(read(0, 100), of_base(0, 100));
  EXPECT_EQ(read(kMiB, kMiB), fill(kMiB, 0));
  EXPECT_EQ(read(2 * kMiB, kMiB), fill(kMiB, 2));
  EXPECT_EQ(read(4 * kMiB, kMiB), fill(kMiB, 0));
}

TEST_F(Store, what_a_barrier_made_durable_needs_no_live_map) {
  make(4 * kMiB);
  store->write(100, fill(10, 1));
  store->punch(kMiB, kMiB);
  store->write(5 * kMiB, fill(10, 2));
  store->barrier();
  store->write(2 * kMiB, fill(10, 3));
  store.reset();
  std::filesystem::remove(folder.path() + "/live");
  reopen();
  EXPECT_EQ(store->bytes(), 5 * kMiB + 10);
  EXPECT_EQ(read(100, 10), fill(10, 1));
  EXPECT_EQ(read(kMiB, kMiB), fill(kMiB, 0));
  EXPECT_EQ(read(5 * kMiB, 10), fill(10, 2));
  EXPECT_EQ(read(2 * kMiB, 10), of_base(2 * kMiB, 10));
}

TEST_F(Store, punched_blocks_are_zeros_and_give_their_room_back) {
  make(4 * kMiB);
  store->write(kMiB, fill(kMiB, 5));
  EXPECT_EQ(store->overlay_bytes(), kMiB);
  store->punch(kMiB - 100, kMiB);
  EXPECT_EQ(read(kMiB - 100, kMiB), fill(kMiB, 0));
  EXPECT_EQ(read(2 * kMiB - 100, 100), fill(100, 5));
  EXPECT_EQ(read(kMiB - 200, 100), of_base(kMiB - 200, 100));
  EXPECT_EQ(store->overlay_bytes(), 2 * kBlock);
  struct stat st {};
  ASSERT_EQ(::stat((folder.path() + "/data").c_str(), &st), 0);
  EXPECT_LE(st.st_blocks * 512, 3 * static_cast<std::int64_t>(kBlock));
}

TEST_F(Store, punch_does_not_extend) {
  make(kMiB);
  store->punch(kMiB - 10, ~std::uint64_t{0});
  store->punch(5 * kMiB, 10);
  EXPECT_EQ(store->bytes(), kMiB);
  EXPECT_EQ(read(kMiB - 10, 20), fill(10, 0));
}

// SEMANTICS: "what was cut off reads as zeros"
TEST_F(Store, what_was_cut_off_never_comes_back) {
  make(4 * kMiB);
  store->write(3 * kMiB, fill(kMiB, 8));
  store->write(kMiB, fill(10, 8));
  store->resize(kMiB + 5);
  EXPECT_EQ(store->bytes(), kMiB + 5);
  store->resize(8 * kMiB);
  EXPECT_EQ(read(kMiB, 5), fill(5, 8));
  EXPECT_EQ(read(kMiB + 5, 7 * kMiB), fill(7 * kMiB - 5, 0));
  store->write(2 * kMiB + 5, fill(1, 1));  // a partial write there reads nothing of the base
  EXPECT_EQ(read(2 * kMiB, 5), fill(5, 0));
  reopen();
  EXPECT_EQ(read(kMiB + 5, kMiB - 5), fill(kMiB - 5, 0));
}

TEST_F(Store, grows_far_beyond_the_base) {
  make(kMiB);
  const std::uint64_t far = std::uint64_t{3} << 40;
  store->write(far, fill(10, 4));
  EXPECT_EQ(store->bytes(), far + 10);
  EXPECT_EQ(read(far - 5, 15), [] {
    Bytes b = fill(15, 4);
    std::fill_n(b.begin(), 5, std::byte{0});
    return b;
  }());
  store->barrier();
  store.reset();
  std::filesystem::remove(folder.path() + "/live");
  reopen();
  EXPECT_EQ(read(far, 10), fill(10, 4));
}

TEST_F(Store, has_a_limit) {
  make(kMiB);
  const std::uint64_t limit = std::uint64_t{64} << 40;
  EXPECT_EQ(error_of([&] { store->write(limit - 1, fill(2, 1)); }), EFBIG);
  EXPECT_EQ(error_of([&] { store->write(~std::uint64_t{0}, fill(2, 1)); }), EFBIG);
  EXPECT_EQ(error_of([&] { store->resize(limit + 1); }), EFBIG);
  EXPECT_EQ(store->bytes(), kMiB);
}

TEST_F(Store, an_empty_base_is_an_overlay_like_any_other) {
  make(0);
  EXPECT_EQ(store->bytes(), 0u);
  store->write(0, fill(10, 1));
  reopen();
  EXPECT_EQ(read(0, 100), fill(10, 1));
}

TEST_F(Store, stretches_follow_the_map_and_the_base) {
  base = std::make_shared<ByteBase>(4 * kMiB + 100);
  base->make_hole(kMiB, kMiB);
  store = OverlayStore::create(real_io(), folder.path(), base, {});
  const auto expect = [&](std::uint64_t at, std::uint64_t end, bool is_hole) {
    const BaseImage::Stretch s = store->stretch_at(at);
    EXPECT_EQ(s.end, end) << at;
    EXPECT_EQ(s.is_hole, is_hole) << at;
  };
  expect(0, kMiB, false);
  expect(kMiB + 3, 2 * kMiB, true);
  expect(2 * kMiB, 4 * kMiB + 100, false);
  store->write(kMiB + kBlock, fill(10, 1));
  store->punch(3 * kMiB, kBlock);
  expect(kMiB, kMiB + kBlock, true);
  expect(kMiB + kBlock, kMiB + 2 * kBlock, false);
  expect(2 * kMiB, 3 * kMiB, false);
  expect(3 * kMiB, 3 * kMiB + kBlock, true);
  store->resize(6 * kMiB);
  expect(4 * kMiB, 4 * kMiB + 100, false);
  expect(4 * kMiB + 100, 6 * kMiB, true);
}

TEST_F(Store, counts_what_is_allocated) {
  base = std::make_shared<ByteBase>(4 * kMiB);
  base->make_hole(kMiB, kMiB);
  store = OverlayStore::create(real_io(), folder.path(), base, {});
  EXPECT_EQ(store->allocated_bytes(), 3 * kMiB);
  store->write(0, fill(kBlock, 1));  // over data
  EXPECT_EQ(store->allocated_bytes(), 3 * kMiB);
  store->write(kMiB, fill(1, 1));  // over a hole
  EXPECT_EQ(store->allocated_bytes(), 3 * kMiB + kBlock);
  store->punch(2 * kMiB, kMiB);
  EXPECT_EQ(store->allocated_bytes(), 2 * kMiB + kBlock);
  reopen();
  EXPECT_EQ(store->allocated_bytes(), 2 * kMiB + kBlock);
  EXPECT_EQ(store->overlay_bytes(), 2 * kBlock);
  store->resize(kMiB);
  EXPECT_EQ(store->allocated_bytes(), kMiB);
}

TEST_F(Store, a_missing_file_is_an_error_that_names_it) {
  make(kMiB);
  store.reset();
  for (const char* name : {"/data", "/map.A", "/map.B", "/journal"}) {
    const std::string path = folder.path() + name;
    std::filesystem::rename(path, path + ".away");
    try {
      OverlayStore::open(real_io(), folder.path(), base);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EIO);
      EXPECT_NE(error.sentence().find(name), std::string::npos) << error.sentence();
    }
    std::filesystem::rename(path + ".away", path);
  }
  reopen();
}

TEST_F(Store, an_8_tib_disk_costs_little_memory_before_it_is_used) {
  struct HugeBase final : BaseImage {
    std::uint64_t bytes() const override { return std::uint64_t{8} << 40; }
    void read(std::uint64_t, std::span<std::byte> out) override {
      std::fill(out.begin(), out.end(), std::byte{1});
    }
    Stretch stretch_at(std::uint64_t) override { return {bytes(), false}; }
  };
  store = OverlayStore::create(real_io(), folder.path(), std::make_shared<HugeBase>(), {});
  EXPECT_EQ(store->allocated_bytes(), std::uint64_t{8} << 40);
  store->write((std::uint64_t{8} << 40) - 10, fill(10, 2));
  store->barrier();
  std::uint64_t used = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    struct stat st {};
    ASSERT_EQ(::stat(entry.path().c_str(), &st), 0);
    used += static_cast<std::uint64_t>(st.st_blocks) * 512;
  }
  EXPECT_LT(used, 110 * kMiB);  // three maps of 32 MiB, preallocated
}

}  // namespace
}  // namespace v2vfs::fs
