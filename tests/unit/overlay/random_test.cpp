// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "fs/overlay/io.h"
#include "fs/overlay/overlay_store.h"
#include "tests/unit/overlay/byte_base.h"
#include "tests/unit/overlay/crash_io.h"
#include "tests/unit/overlay/temp_folder.h"

// Real files, blocks of 64 KiB, the public door.
namespace v2vfs::fs {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::uint64_t kMiB = 1024 * 1024;

struct RandomStore {
  explicit RandomStore(std::uint64_t base_bytes)
      : base(std::make_shared<ByteBase>(base_bytes)),
        store(OverlayStore::create(real_io(), folder.path(), base, {})) {}
  TempFolder folder;
  std::shared_ptr<ByteBase> base;
  std::unique_ptr<OverlayStore> store;
};

Bytes random_bytes(Dice& dice, std::uint64_t length) {
  const auto value = static_cast<std::byte>(dice.next());
  Bytes bytes(length);
  for (std::uint64_t i = 0; i < length; ++i) bytes[i] = value ^ static_cast<std::byte>(i * 31 >> 4);
  return bytes;
}

std::uint64_t random_length(Dice& dice) {
  return dice.one_in(3) ? 65536 * (1 + dice.below(24))
                        : 1 + dice.below(dice.one_in(2) ? 5000 : 300000);
}

TEST(Random, operations_agree_with_a_byte_array) {
  Dice dice(7);
  RandomStore r(9 * kMiB + 12345);
  Bytes model = r.base->content();
  const auto expect_same = [&](std::uint64_t offset, std::uint64_t length) {
    Bytes got(length);
    got.resize(r.store->read(offset, got));
    const std::uint64_t there =
        offset >= model.size() ? 0 : std::min<std::uint64_t>(length, model.size() - offset);
    ASSERT_EQ(got.size(), there);
    ASSERT_TRUE(std::equal(got.begin(), got.end(),
                           model.begin() + static_cast<std::ptrdiff_t>(there ? offset : 0)));
  };
  for (int i = 0; i < 1500 && !testing::Test::HasFatalFailure(); ++i) {
    const std::uint64_t offset = dice.below(model.size() + (dice.one_in(30) ? kMiB : 1));
    const std::uint64_t length = random_length(dice);
    const std::uint64_t kind = dice.below(100);
    if (kind < 45) {
      const Bytes bytes = random_bytes(dice, length);
      if (offset + length > 24 * kMiB) continue;
      r.store->write(offset, bytes);
      if (offset + length > model.size()) model.resize(offset + length);
      std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
    } else if (kind < 60) {
      r.store->punch(offset, length);
      const std::uint64_t end = std::min<std::uint64_t>(model.size(), offset + length);
      if (offset < end) std::memset(model.data() + offset, 0, end - offset);
    } else if (kind < 63) {
      const std::uint64_t bytes = model.size() / 2 + dice.below(model.size());
      if (bytes > 24 * kMiB) continue;
      r.store->resize(bytes);
      model.resize(bytes);
    } else if (kind < 66) {
      r.store->barrier();
    } else if (kind < 68) {
      const bool live_too = dice.one_in(2);
      if (!live_too) r.store->barrier();
      r.store.reset();
      if (!live_too) std::filesystem::remove(r.folder.path() + "/live");
      r.store = OverlayStore::open(real_io(), r.folder.path(), r.base);
    } else {
      expect_same(offset, length);
    }
    ASSERT_EQ(r.store->bytes(), model.size());
  }
  expect_same(0, model.size());
  // A stretch that is called a hole reads as zeros, and the stretches cover the file.
  for (std::uint64_t at = 0; at < model.size();) {
    const BaseImage::Stretch s = r.store->stretch_at(at);
    ASSERT_GT(s.end, at);
    ASSERT_LE(s.end, model.size());
    const auto from = model.begin() + static_cast<std::ptrdiff_t>(at);
    ASSERT_TRUE(!s.is_hole || std::all_of(from, model.begin() + static_cast<std::ptrdiff_t>(s.end),
                                          [](std::byte b) { return b == std::byte{0}; }));
    at = s.end;
  }
}

// Each thread has every fourth 40,000 bytes (so blocks are shared) and knows what is there.
class Writer {
 public:
  Writer(RandomStore& r, std::uint64_t number) : r_(r), number_(number), dice_(number + 100) {
    known_.assign(kSlices, {});
    for (std::uint64_t i = 0; i < kSlices; ++i) {
      const auto from = r.base->content().begin() + static_cast<std::ptrdiff_t>(offset_of(i));
      known_[i].assign(from, from + kSlice);
    }
  }
  void run(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      const std::uint64_t slice = dice_.below(kSlices);
      const std::uint64_t from = dice_.below(kSlice);
      const std::uint64_t length = 1 + dice_.below(kSlice - from);
      const std::uint64_t kind = dice_.below(100);
      if (kind < 40) {
        const Bytes bytes = random_bytes(dice_, length);
        r_.store->write(offset_of(slice) + from, bytes);
        std::copy(bytes.begin(), bytes.end(),
                  known_[slice].begin() + static_cast<std::ptrdiff_t>(from));
      } else if (kind < 55) {
        r_.store->punch(offset_of(slice) + from, length);
        std::memset(known_[slice].data() + from, 0, length);
      } else if (kind < 58) {
        r_.store->barrier();
      } else if (kind < 61) {
        r_.store->resize(kEnd + dice_.below(kMiB));  // past what is looked at
      } else {
        check(slice);
      }
    }
    for (std::uint64_t i = 0; i < kSlices; ++i) check(i);
  }
  void check(std::uint64_t slice) {
    Bytes got(kSlice);
    if (r_.store->read(offset_of(slice), got) != kSlice || got != known_[slice]) ++wrong;
  }
  int wrong = 0;

  static constexpr std::uint64_t kThreads = 4, kSlice = 40000, kSlices = 40;
  static constexpr std::uint64_t kEnd = kThreads * kSlice * kSlices;

 private:
  std::uint64_t offset_of(std::uint64_t slice) const {
    return (slice * kThreads + number_) * kSlice;
  }
  RandomStore& r_;
  std::uint64_t number_;
  Dice dice_;
  std::vector<Bytes> known_;
};

TEST(Random, threads_see_their_own_writes) {
  RandomStore r(Writer::kEnd);
  std::vector<std::unique_ptr<Writer>> writers;
  for (std::uint64_t i = 0; i < Writer::kThreads; ++i)
    writers.push_back(std::make_unique<Writer>(r, i));
  std::vector<std::thread> threads;
  for (auto& writer : writers) threads.emplace_back([&writer] { writer->run(400); });
  for (auto& thread : threads) thread.join();
  for (auto& writer : writers) EXPECT_EQ(writer->wrong, 0);
  r.store->barrier();
  r.store.reset();
  std::filesystem::remove(r.folder.path() + "/live");
  r.store = OverlayStore::open(real_io(), r.folder.path(), r.base);
  for (auto& writer : writers)
    for (std::uint64_t i = 0; i < Writer::kSlices; ++i) writer->check(i);
  for (auto& writer : writers) EXPECT_EQ(writer->wrong, 0);
}

}  // namespace
}  // namespace v2vfs::fs
