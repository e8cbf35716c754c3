// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/disk_copy.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/vm_status.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::ctl {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, 0);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

void put(int fd, std::uint64_t offset, const std::string& data) {
  ASSERT_EQ(::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(data.size()));
}

/// A source of 40 MiB: noise at 0 and 9 MiB (across a piece's border), written zeros at 20, the
/// rest holes.
class DiskCopyTest : public testing::Test {
 protected:
  DiskCopyTest() {
    from_.reset(::open(path("from").c_str(), O_RDWR | O_CREAT, 0600));
    to_.reset(::open(path("to").c_str(), O_RDWR | O_CREAT, 0600));
    EXPECT_EQ(::ftruncate(from_.get(), kBytes), 0);
    put(from_.get(), 0, noise(kMiB, 1));
    put(from_.get(), 9 * kMiB, noise(5 * kMiB, 2));
    put(from_.get(), 20 * kMiB, std::string(kMiB, 0));
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  PartRecord new_record() const { return PartRecord(path("record"), kIdentity); }
  PartRecord old_record() const { return std::move(*PartRecord::open(path("record"), kIdentity)); }

  void copy(PartRecord& record, DiskCopy::Resumed resumed = {}) {
    copy(record, resumed, [] {});
  }
  void copy(PartRecord& record, DiskCopy::Resumed resumed, const std::function<void()>& tick) {
    counters_.done_bytes = counters_.skipped_bytes = 0;
    DiskCopy({"from", "to", from_.get(), to_.get()}, kBytes, record, resumed, counters_).run(tick);
  }
  void expect_equal() const { EXPECT_TRUE(read_text(path("from")) == read_text(path("to"))); }
  std::uint64_t allocated(const UniqueFd& fd) const {
    struct stat status {};
    ::fstat(fd.get(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  static constexpr std::uint64_t kBytes = 40 * kMiB;
  const DiskIdentity kIdentity{kBytes, 1, 0, "head"};
  fs::TemporaryFolder folder_;
  UniqueFd from_, to_;
  DiskCopy::Counters counters_;
};

TEST_F(DiskCopyTest, pieces_are_the_data_on_a_grid) {
  DataPieces pieces(from_.get(), kBytes);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  while (const auto piece = pieces.next())
    all.push_back({piece->offset / kMiB, piece->bytes / kMiB});
  using P = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_THAT(all, testing::ElementsAre(P{0, 1}, P{9, 3}, P{12, 2}, P{20, 1}));
}

TEST_F(DiskCopyTest, is_the_same_and_sparse) {
  PartRecord record = new_record();
  copy(record);
  expect_equal();
  EXPECT_EQ(counters_.done_bytes, 7 * kMiB);
  EXPECT_EQ(counters_.skipped_bytes, 0u);
  EXPECT_LE(allocated(to_), 6 * kMiB + 64 * 1024);  // without the zeros that the source had written
}

TEST_F(DiskCopyTest, goes_on_without_reading_what_is_there) {
  PartRecord first = new_record();
  copy(first);
  put(from_.get(), 9 * kMiB, "changed");  // not looked at, for it is trusted
  PartRecord record = old_record();
  copy(record, {true, true});
  EXPECT_EQ(counters_.skipped_bytes, counters_.done_bytes);
  EXPECT_FALSE(read_text(path("from")) == read_text(path("to")));
}

TEST_F(DiskCopyTest, goes_on_with_another_look_at_a_disk_that_may_have_changed) {
  PartRecord first = new_record();
  copy(first);
  put(from_.get(), 9 * kMiB, "changed");
  put(from_.get(), 30 * kMiB, "new");
  ASSERT_EQ(::fallocate(from_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMiB), 0);
  PartRecord record = old_record();
  copy(record, {true, false});
  expect_equal();
  EXPECT_EQ(counters_.skipped_bytes, 3 * kMiB);  // at 12 and 20 MiB
}

TEST_F(DiskCopyTest, does_not_believe_the_record) {
  PartRecord first = new_record();
  copy(first);
  put(to_.get(), 10 * kMiB, "lost in a power cut");
  for (const bool trusted : {true, false}) {
    PartRecord record = old_record();
    copy(record, {true, trusted});
    expect_equal();
    put(to_.get(), 10 * kMiB, "again");
  }
}

TEST_F(DiskCopyTest, what_tick_throws_ends_it_and_it_can_go_on) {
  PartRecord first = new_record();
  EXPECT_THROW(copy(first, {}, [] { throw Error(EINTR, "enough"); }), Error);
  PartRecord record = old_record();
  copy(record, {true, true});
  expect_equal();
}

TEST_F(DiskCopyTest, a_source_that_cannot_be_read_is_an_error_with_the_place) {
  PartRecord record = new_record();
  try {
    UniqueFd closed(::open(path("from").c_str(), O_WRONLY));
    DiskCopy({"from", "to", closed.get(), to_.get()}, kBytes, record, {}, counters_).run([] {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.sentence(), testing::HasSubstr("from, byte "));
  }
}

TEST_F(DiskCopyTest, verify_reads_the_target_again) {
  PartRecord record = new_record();
  DiskCopy copy({"from", "to", from_.get(), to_.get()}, kBytes, record, {}, counters_);
  copy.run([] {});
  copy.verify([] {});
  put(to_.get(), 13 * kMiB + 5, "x");
  try {
    copy.verify([] {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), EIO);
    EXPECT_THAT(e.sentence(), testing::HasSubstr("to, byte 12582912: "));
  }
}

TEST_F(DiskCopyTest, a_record_is_of_one_disk) {
  {
    PartRecord record = new_record();
    record.add({0, 5}, std::string(64, 'a'));
  }
  DiskIdentity other = kIdentity;
  other.written_bytes = 1;
  EXPECT_FALSE(PartRecord::open(path("record"), other));
  EXPECT_FALSE(PartRecord::open(path("nothing"), kIdentity));
  EXPECT_EQ(old_record().digest_of({0, 5}), std::string(64, 'a'));
  EXPECT_FALSE(old_record().digest_of({0, 6}));
}

TEST_F(DiskCopyTest, a_record_whose_last_line_was_cut) {
  {
    PartRecord record = new_record();
    record.add({0, 5}, std::string(64, 'a'));
  }
  std::ofstream(path("record"), std::ios::app) << "4194304 5 " << std::string(63, 'b');
  {
    PartRecord record = old_record();
    EXPECT_FALSE(record.digest_of({4194304, 5}));
    record.add({8388608, 5}, std::string(64, 'c'));
  }
  EXPECT_EQ(old_record().digest_of({8388608, 5}), std::string(64, 'c'));
  EXPECT_EQ(old_record().pieces().size(), 2u);
}

}  // namespace
}  // namespace v2vfs::ctl
