// SPDX-License-Identifier: MIT
//
// gzip files that are read from anywhere: every byte is right, or the read fails.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "inspect/base/error.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/inflated_file.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using testing::gzip_of;
using ::testing::HasSubstr;
using testing::read_all;
using testing::TempFolder;

/// Neither random (one block after another would be stored) nor regular: distances up to 32 KiB.
std::string mixed(std::size_t bytes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < bytes) {
    if (text.size() > 40'000 && random() % 3 == 0) {
      const std::size_t from = text.size() - 1 - random() % 32'000;
      text += text.substr(from, std::min<std::size_t>(random() % 400, text.size() - from));
    } else {
      for (unsigned i = random() % 64; i-- > 0;) text += static_cast<char>(random() % 24 + 'a');
    }
  }
  text.resize(bytes);
  return text;
}

class Deflated : public ::testing::Test {
 protected:
  SourceFile stored(const std::string& bytes) {
    const std::string name = fmt::format("file-{}", ++files_);
    folder_.write(name, bytes);
    return FolderFiles(std::make_shared<SourceRoot>(folder_.path()), "").open(name);
  }
  SourceFile inflated(const std::string& bytes, const std::string& places = "") {
    return inflated_file({stored(bytes)}, "what is inside",
                         std::make_shared<AccessPointCache>(places, nullptr));
  }
  void expect_refused(const std::string& bytes, const std::string& sentence) {
    try {
      inflated(bytes).length();
      ADD_FAILURE() << "not refused: " << sentence;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EIO);
      EXPECT_THAT(error.sentence(), HasSubstr(sentence));
      EXPECT_THAT(error.sentence(), HasSubstr("byte "));
    }
  }

  TempFolder folder_;
  unsigned files_ = 0;
};

void expect_same_everywhere(const SourceFile& file, const std::string& content) {
  ASSERT_EQ(file.length(), content.size());
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::size_t offset = random() % content.size();
    const std::size_t bytes = std::min<std::size_t>(random() % 70'000, content.size() - offset);
    std::string part(bytes, '\0');
    file.read(offset, std::as_writable_bytes(std::span(part)));
    ASSERT_TRUE(part == content.substr(offset, bytes)) << offset << " " << bytes;
  }
}

TEST_F(Deflated, is_read_from_anywhere) {
  const std::string content = mixed(40 << 20);
  const SourceFile file = inflated(gzip_of(content));
  expect_same_everywhere(file, content);
  EXPECT_TRUE(read_all(file) == content);
}

TEST_F(Deflated, stored_blocks_and_long_runs_are_read_from_anywhere) {
  const std::string content =
      std::string(30 << 20, '\0') + mixed(6 << 20) + std::string(9 << 20, 'x');
  expect_same_everywhere(inflated(gzip_of(content, 0)), content);
  expect_same_everywhere(inflated(gzip_of(content, 9)), content);
}

TEST_F(Deflated, members_are_one_stream) {
  const std::string content = mixed(12 << 20);
  std::string bytes = gzip_of("");
  for (std::size_t at = 0; at < content.size(); at += 65'280) {
    bytes += gzip_of(content.substr(at, 65'280));
  }
  bytes += gzip_of("");
  expect_same_everywhere(inflated(bytes), content);
}

TEST_F(Deflated, an_empty_one_is_empty) {
  const SourceFile file = inflated(gzip_of(""));
  EXPECT_EQ(file.length(), 0u);
  EXPECT_EQ(file.head(100), "");
  file.read(0, {});
  std::byte one;
  EXPECT_THROW(file.read(0, {&one, 1}), Error);
}

TEST_F(Deflated, the_head_is_had_without_the_rest) {
  const std::string content = mixed(8 << 20);
  const std::string bytes = gzip_of(content);
  const SourceFile file = inflated(bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(file.head(4096), content.substr(0, 4096));
  EXPECT_THROW(file.length(), Error);
}

// SEMANTICS: "bytes behind its end are EIO with file and offset, never zeros"
// SEMANTICS: "which checks all of it"
TEST_F(Deflated, what_is_no_whole_stream_is_refused_with_its_place) {
  const std::string content = mixed(1 << 20);
  const std::string bytes = gzip_of(content);
  expect_refused(bytes.substr(0, bytes.size() - 1), "cut short");
  expect_refused(bytes.substr(0, bytes.size() - 8), "cut short");
  expect_refused(bytes.substr(0, bytes.size() / 2), "cut short");
  expect_refused(bytes.substr(0, 5), "cut short");
  expect_refused(bytes + "garbage", "no gzip stream follow");
  expect_refused(bytes + std::string(100'000, '\0') + "x", "no gzip stream follow");
  expect_refused(bytes + "\x1f", "cut short");
  expect_refused(bytes + bytes.substr(0, 100), "cut short");
  std::string length_lies = bytes;
  length_lies[bytes.size() - 3] ^= 1;
  expect_refused(length_lies, "damaged");
  std::string crc_lies = bytes;
  crc_lies[bytes.size() - 8] ^= 1;
  expect_refused(crc_lies, "damaged");
}

TEST_F(Deflated, zeros_behind_it_are_padding) {
  EXPECT_EQ(inflated(gzip_of("disk") + std::string(1 << 20, '\0')).length(), 4u);
}

TEST_F(Deflated, a_flipped_bit_is_an_error_or_changes_nothing) {
  const std::string content = mixed(300'000);
  const std::string bytes = gzip_of(content);
  int refused = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    std::string flipped = bytes;
    const std::size_t at = i < 20 ? i : i * bytes.size() / 400;
    flipped[at] ^= static_cast<char>(1 << i % 8);
    try {
      EXPECT_TRUE(read_all(inflated(flipped)) == content) << at;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EIO);
      ++refused;
    }
  }
  EXPECT_GT(refused, 350);
}

// SEMANTICS: "where reading can begin in it is kept in the cache folder"
TEST_F(Deflated, places_are_kept_for_the_next_mount) {
  const std::string content = mixed(20 << 20);
  const SourceFile file = stored(gzip_of(content));
  const std::string folder = folder_.path("places");
  const auto open = [&](bool may_pass) {
    const auto cache = std::make_shared<AccessPointCache>(folder, [=] { return !may_pass; });
    return inflated_file({file}, "what is inside", cache);
  };
  EXPECT_THROW(open(false).length(), Error);  // ended, and nothing kept of it
  EXPECT_EQ(open(true).length(), content.size());
  expect_same_everywhere(open(false), content);
}

// SEMANTICS: "(what was not used for 90 days goes)"
TEST_F(Deflated, places_that_nobody_used_for_long_go) {
  const std::string folder = folder_.path("places");
  std::filesystem::create_directories(folder);
  const auto keep = [&](const std::string& name, int days) {
    folder_.write("places/" + name, "x");
    std::filesystem::last_write_time(
        folder + "/" + name,
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * days));
  };
  keep("old.points", 91);
  keep("new.points", 89);
  EXPECT_EQ(inflated(gzip_of("disk"), folder).length(), 4u);
  EXPECT_FALSE(std::filesystem::exists(folder + "/old.points"));
  EXPECT_TRUE(std::filesystem::exists(folder + "/new.points"));
}

TEST_F(Deflated, what_was_kept_is_taken_only_whole_and_of_the_same_file) {
  const std::string content = mixed(9 << 20);
  const std::string folder = folder_.path("places");
  std::filesystem::create_directories(folder);
  const std::string key(64, 'k');
  AccessPoints points =
      find_access_points({stored(gzip_of(content))}, folder, [] { return false; });
  EXPECT_GT(points.points().size(), 1u);
  points.keep(folder, key);
  EXPECT_EQ(AccessPoints::kept(folder, key)->length(), content.size());
  EXPECT_FALSE(AccessPoints::kept(folder, std::string(64, 'j')));
  const std::string path = folder + "/" + key + ".points";
  const std::string whole = testing::read_whole(path);
  for (std::size_t i = 1; i < 200; ++i) {
    std::string damaged = whole;
    damaged[whole.size() - i] ^= 1;
    folder_.write("places/" + key + ".points", damaged);
    EXPECT_FALSE(AccessPoints::kept(folder, key)) << i;
  }
  folder_.write("places/" + key + ".points", whole.substr(0, whole.size() - 1));
  EXPECT_FALSE(AccessPoints::kept(folder, key));
}

// SEMANTICS: "in at most 64 MiB of memory"
TEST_F(Deflated, memory_for_places_is_bounded) {
  AccessPoints points("");
  std::string noise(kInflateWindow, '\0');
  std::mt19937 random(3);
  for (char& c : noise) c = static_cast<char>(random());
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    points.add(i * 100, i << 22, 0, std::as_bytes(std::span(noise)));
  }
  EXPECT_LE(points.points().size(), 64u << 5);
  EXPECT_GE(points.spacing(), 16u << 20);
  const AccessPoints::Point& point = points.before(12'345ULL << 22);
  EXPECT_EQ(point.stored * (1 << 22), point.offset * 100);
  InflateStream::Window window;
  ASSERT_EQ(points.read_window(point, window), kInflateWindow);
  EXPECT_EQ(std::memcmp(window.data(), noise.data(), kInflateWindow), 0);
}

TEST_F(Deflated, many_read_at_once) {
  const std::string content = mixed(24 << 20);
  const SourceFile file = inflated(gzip_of(content));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t at = i * 2'000'000; at + 5000 < content.size(); at += 1'500'000) {
        std::string part(5000, '\0');
        file.read(at, std::as_writable_bytes(std::span(part)));
        EXPECT_TRUE(part == content.substr(at, 5000)) << at;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Deflated, a_file_that_becomes_shorter_is_an_error) {
  const std::string content = mixed(16 << 20);
  folder_.write("disk.gz", gzip_of(content));
  const SourceFile file =
      inflated_file({FolderFiles(std::make_shared<SourceRoot>(folder_.path()), "").open("disk.gz")},
                    "disk", std::make_shared<AccessPointCache>("", nullptr));
  EXPECT_EQ(file.length(), content.size());
  std::filesystem::resize_file(folder_.path("disk.gz"), 1000);
  std::string part(100, '\0');
  EXPECT_THROW(file.read(content.size() - 100, std::as_writable_bytes(std::span(part))), Error);
  EXPECT_FALSE(file.host_range());
  EXPECT_EQ(file.host_stat().bytes, 1000u);
}

}  // namespace
}  // namespace v2vfs::inspect
