// SPDX-License-Identifier: MIT
#include "convert/disk/image_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/image_writer.h"
#include "tests/support/memory_files.h"
#include "tests/support/qcow2_reader.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;
using testing::HasSubstr;

constexpr std::size_t kMiB = 1 << 20;

/// Blocks of zeros among others; an odd end.
std::string content(char seed = 'a') {
  std::string bytes(6 * kMiB + 37 * 512, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i / (2 * kMiB) % 3 != 1) bytes[i] = static_cast<char>(seed + i % 251 + i / 4096);
  }
  return bytes;
}

/// Processes that this one started.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(thread.path() / "children");
    for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  }
  return found;
}

class Images : public testing::Test {
 protected:
  void SetUp() override {
    if (find_program("qemu-nbd").empty()) GTEST_SKIP() << "qemu-nbd";
  }
  void TearDown() override { EXPECT_THAT(children(), testing::IsEmpty()); }

  std::unique_ptr<ImageSource> open(const std::string& name) {
    Digest digest;
    const inspect::SourceFile file = files_.open(name);
    return std::make_unique<ImageSource>(files_, name, file, tell_image(file).value(), digest);
  }
  static std::string read_all(const ImageSource& image) {
    std::string bytes(image.bytes(), '\1');
    for (std::size_t at = 0; at < bytes.size(); at += kMiB) {
      image.read(at, std::as_writable_bytes(
                         std::span(bytes).subspan(at, std::min(kMiB, bytes.size() - at))));
    }
    return bytes;
  }
  /// Of `expected` whatever is said to be a hole is zeros, and some hole is found.
  static void check_holes(const ImageSource& image, const std::string& expected) {
    bool has_hole = false;
    for (std::uint64_t at = 0; at < image.bytes();) {
      const Stretch stretch = image.stretch_at(at);
      ASSERT_GT(stretch.end, at);
      ASSERT_LE(stretch.end, image.bytes());
      has_hole |= stretch.is_hole;
      if (stretch.is_hole) {
        EXPECT_EQ(expected.substr(at, stretch.end - at).find_first_not_of('\0'), std::string::npos);
      }
      at = stretch.end;
    }
    EXPECT_TRUE(has_hole);
  }

  MemoryFiles files_;
};

// SEMANTICS: "holes are the blocks that the source does not have"
TEST_F(Images, each_format_gives_its_content) {
  const std::string expected = content();
  files_.add("vhd", make_vhd(expected));
  files_.add("vhdx", make_vhdx(expected));
  files_.add("vdi", make_vdi(expected));
  files_.add("qcow2", make_qcow2(expected));
  files_.add("qed", make_qed(expected));
  files_.add("parallels", make_parallels(expected));
  for (const std::string& name : files_.names()) {
    SCOPED_TRACE(name);
    const auto image = open(name);
    EXPECT_THAT(children(), testing::IsEmpty()) << "looking at it started something";
    ASSERT_EQ(image->bytes(), expected.size());
    EXPECT_TRUE(read_all(*image) == expected);
    check_holes(*image, expected);
  }
}

TEST_F(Images, any_bytes_can_be_read) {
  const std::string expected = content();
  files_.add("vhdx", make_vhdx(expected));
  files_.add("qcow2", make_qcow2(expected));
  for (const std::string& name : files_.names()) {
    const auto image = open(name);
    for (const std::size_t at :
         {std::size_t{0}, 2 * kMiB - 7, std::size_t{511}, expected.size() - 5}) {
      std::string bytes(std::min<std::size_t>(expected.size() - at, 1025), '\1');
      image->read(at, std::as_writable_bytes(std::span(bytes)));
      EXPECT_TRUE(bytes == expected.substr(at, bytes.size())) << name << " " << at;
      EXPECT_GT(image->stretch_at(at).end, at);
    }
  }
}

TEST_F(Images, a_chain_shows_the_topmost) {
  const std::string lower = content('k');
  std::string upper(lower.size(), '\0');
  upper.replace(2 * 65536, 65536, std::string(65536, 'u'));
  files_.add("top", make_qcow2(upper, "base", "qed"));
  files_.add("base", make_qed(lower, "raw"));
  files_.add("raw", content('r'));
  std::string expected = content('r');
  for (std::size_t at = 0; at < lower.size(); at += 65536) {
    const std::string cluster = lower.substr(at, 65536);
    if (cluster.find_first_not_of('\0') != std::string::npos) {
      expected.replace(at, cluster.size(), cluster);
    }
  }
  expected.replace(2 * 65536, 65536, std::string(65536, 'u'));
  EXPECT_TRUE(read_all(*open("top")) == expected);
}

// SEMANTICS: "beyond the end of the file is EIO: QEMU itself reads zeros there"
TEST_F(Images, what_is_cut_off_is_an_error_and_no_hole) {
  const std::string whole = make_vdi(content());
  files_.add("vdi", whole.substr(0, whole.size() - 512));
  const auto image = open("vdi");
  std::vector<std::byte> buffer(512);
  EXPECT_THROW(image->read(kMiB - 512, buffer), Error);  // the first block lies last
  EXPECT_NO_THROW(image->read(2 * kMiB, buffer));
  const Stretch stretch = image->stretch_at(0);
  EXPECT_FALSE(stretch.is_hole);
  EXPECT_EQ(stretch.end, kMiB);
}

// SEMANTICS: "Content is read by a `qemu-nbd` (package qemu-utils) of the VM's own"
TEST_F(Images, many_read_at_once) {
  const std::string expected = content();
  files_.add("qcow2", make_qcow2(expected));
  const auto image = open("qcow2");
  std::vector<std::thread> readers;
  std::atomic<int> wrong = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    readers.emplace_back([&, i] {
      for (std::size_t at = i * 4096; at + 8192 < expected.size(); at += 20 * 4096) {
        std::string bytes(8192, '\1');
        image->read(at, std::as_writable_bytes(std::span(bytes)));
        wrong += bytes != expected.substr(at, 8192);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(children().size(), 1u);
}

TEST_F(Images, a_killed_process_fails_the_read_and_is_started_again_by_the_next) {
  const std::string expected = content();
  files_.add("vhdx", make_vhdx(expected));
  const auto image = open("vhdx");
  EXPECT_TRUE(read_all(*image) == expected);
  const std::vector<pid_t> before = children();
  ASSERT_EQ(before.size(), 1u);
  ::kill(before[0], SIGSTOP);
  std::string sentence;
  std::thread reader([&] {
    std::vector<std::byte> buffer(4096);
    try {
      image->read(0, buffer);
    } catch (const Error& error) {
      sentence = error.sentence();
      EXPECT_EQ(error.error_number(), EIO);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ::kill(before[0], SIGKILL);
  reader.join();
  EXPECT_THAT(sentence, HasSubstr("ended unexpectedly (signal 9"));
  EXPECT_TRUE(read_all(*image) == expected);
  const std::vector<pid_t> after = children();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after[0], before[0]);
}

/// Its file is swapped between our look and qemu's: it becomes an overlay over something else.
TEST_F(Images, a_file_that_changed_meanwhile_is_not_served) {
  files_.add("qcow2", make_qcow2(content()));
  const auto image = open("qcow2");
  const int fd = files_.open("qcow2").host_range()->fd;
  const std::string other = make_qcow2(content('z').substr(0, kMiB));
  ASSERT_EQ(::pwrite(fd, other.data(), other.size(), 0), static_cast<ssize_t>(other.size()));
  std::vector<std::byte> buffer(512);
  try {
    image->read(0, buffer);
    ADD_FAILURE() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EIO);
    EXPECT_THAT(error.sentence(), HasSubstr("its header says"));
  }
}

/// As a view: laid one to one, sound, the same at every opening.
TEST_F(Images, are_shown_as_a_sound_qcow2) {
  const std::string expected = content();
  files_.add("disk.vhd", make_vhd_fixed(expected));
  files_.add("disk.vdi", make_vdi(expected));
  for (const std::string& name : files_.names()) {
    SCOPED_TRACE(name);
    inspect::DiskSpec spec;
    spec.file = name;
    const auto view = open_disk(files_, spec, {}, std::nullopt);
    EXPECT_EQ(view->virtual_bytes(), expected.size());
    Qcow2Reader reader(*view);
    EXPECT_EQ(reader.check(), "");
    EXPECT_THAT(children(), testing::IsEmpty());
    for (std::uint64_t i = 0; i * reader.cluster_bytes() < expected.size(); ++i) {
      std::string cluster = expected.substr(i * reader.cluster_bytes(), reader.cluster_bytes());
      cluster.resize(reader.cluster_bytes());
      const auto got = reader.guest_cluster(i);
      ASSERT_TRUE(std::ranges::equal(got, std::as_bytes(std::span(cluster)))) << i;
    }
    const auto again = open_disk(files_, spec, {}, view->layout_record());
    EXPECT_EQ(again->source_identity(), view->source_identity());
    EXPECT_EQ(again->tables_digest(), view->tables_digest());
  }
}

// SEMANTICS: "although its description or suffix says which is not served"
TEST_F(Images, without_the_header_that_is_said_are_refused) {
  files_.add("disk", content());
  inspect::DiskSpec spec;
  spec.file = "disk";
  for (const auto said : {inspect::DiskFormat::vhd, inspect::DiskFormat::qcow2}) {
    spec.format = said;
    EXPECT_THROW(open_disk(files_, spec, {}, std::nullopt), Error);
  }
  spec.format = inspect::DiskFormat::unknown;
  EXPECT_NO_THROW(open_disk(files_, spec, {}, std::nullopt));
}

}  // namespace
}  // namespace v2vfs::convert
