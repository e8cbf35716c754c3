// SPDX-License-Identifier: MIT
#include "fs/workshop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "fs/mount_table.h"
#include "fs/overlay/io.h"
#include "fs/overlay/staging.h"
#include "fs/vm.h"
#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

/// One raw file in a folder.
class OneFile : public inspect::SourceFiles {
 public:
  explicit OneFile(std::string path) : path_(std::move(path)) {}
  inspect::SourceFile open(std::string_view name) const override {
    auto fd = std::make_shared<UniqueFd>(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!*fd) throw errno_error(name);
    return {fd, std::string(name), 0, std::filesystem::file_size(path_)};
  }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::string path_;
};

/// A workshop that is really mounted; this process opens no path below it but by the test's own
/// thread, which serves nothing.
class WorkshopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/fuse";
    std::ofstream(source()) << std::string(1 << 20, 'a');
    inspect::DiskSpec spec;
    spec.file = "a.raw";
    spec.format = inspect::DiskFormat::raw;
    const OneFile files(source());
    auto view = convert::open_disk(files, spec, {}, std::nullopt);
    disk_ = std::make_shared<Disk>("disk.qcow2", std::move(view), real_io(),
                                   folder_.path() + "/overlay", [] { return std::string(); });
    workshop_.emplace(state_root());
  }
  std::string source() const { return folder_.path() + "/a.raw"; }
  std::string state_root() const { return folder_.path() + "/states"; }

  static int error_of_open(const std::string& path, int flags = O_RDONLY) {
    const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
    return fd ? 0 : errno;
  }
  static std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }
  std::string mount_point(const Workshop::Run& run) const { return parent(parent(run.paths()[0])); }

  TemporaryFolder folder_;
  std::shared_ptr<Disk> disk_;
  std::optional<Workshop> workshop_;
};

// SEMANTICS: "never into them, where a guest is only read"
TEST_F(WorkshopTest, shows_the_disks_of_a_run_read_only) {
  const auto run = workshop_->begin({disk_, disk_});
  ASSERT_EQ(run->paths().size(), 2u);
  EXPECT_TRUE(run->paths()[1].ends_with("/run-1/disk-2.qcow2")) << run->paths()[1];
  const UniqueFd fd(::open(run->paths()[0].c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(st.st_size), disk_->bytes());
  std::string found(4, '\0'), wanted(4, '\0');
  ASSERT_EQ(::pread(fd.get(), found.data(), 4, 0), 4);
  disk_->read(0, std::as_writable_bytes(std::span(wanted)));
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(error_of_open(run->paths()[0], O_RDWR), EROFS);
}

/// The disk as a run that writes lies over it.
class OverDisk : public PromotableDisk {
 public:
  explicit OverDisk(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
  std::uint64_t bytes() const override { return disk_->bytes(); }
  void read(std::uint64_t offset, std::span<std::byte> out) override { disk_->read(offset, out); }
  Stretch stretch_at(std::uint64_t) override { return {disk_->bytes(), false}; }
  std::uint64_t cold_end() const override { return disk_->cold_end(); }
  std::uint64_t tail_begin() const override { return disk_->tail_begin(); }
  bool may_grow() const override { return false; }
  void prepare() override {}
  void write(std::uint64_t, std::span<const std::byte>) override {}
  void punch(std::uint64_t, std::uint64_t) override {}
  void barrier() override {}

 private:
  std::shared_ptr<Disk> disk_;
};

TEST_F(WorkshopTest, a_run_that_writes_reaches_staging_alone_and_nothing_after_its_end) {
  const std::string state = folder_.path() + "/state";
  std::filesystem::create_directory(state);
  Staging staging(real_io(), state, {std::make_shared<OverDisk>(disk_)});
  const auto& staged = staging.begin();
  auto run = workshop_->begin_writing(staged);
  const std::string path = run->paths()[0];
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(fd);
  constexpr off_t kPlace = 20 << 20;
  ASSERT_EQ(::pwrite(fd.get(), "new", 3, kPlace), 3);
  ASSERT_EQ(::fsync(fd.get()), 0);
  EXPECT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(disk_->bytes())), -1) << "past the end";
  const auto text = [&](auto& disk) {
    std::string bytes(3, 'x');
    disk.read(kPlace, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  };
  EXPECT_EQ(text(*staged[0]), "new");
  EXPECT_EQ(text(*disk_), std::string(3, '\0'));
  run.reset();
  EXPECT_EQ(::pwrite(fd.get(), "old", 3, kPlace), -1);
  EXPECT_EQ(errno, ESTALE);
  EXPECT_NE(error_of_open(path, O_RDWR), 0);
  EXPECT_EQ(text(*staged[0]), "new");
}

// SEMANTICS: "the state folder holds a folder `workshop-*` (0700) with a mount of its own"
TEST_F(WorkshopTest, is_mounted_only_when_needed_in_a_folder_of_nobody_elses) {
  EXPECT_FALSE(std::filesystem::exists(state_root()));
  const auto run = workshop_->begin({disk_});
  const std::string folder = workshop_->folder();
  EXPECT_TRUE(is_our_mount(folder + "/mnt"));
  struct stat st {};
  ASSERT_EQ(::stat(folder.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

TEST_F(WorkshopTest, revokes_names_and_handles_at_the_end_of_a_run) {
  auto run = workshop_->begin({disk_});
  const std::string path = run->paths()[0];
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  run.reset();
  char byte = 0;
  EXPECT_EQ(::pread(fd.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ESTALE);
  EXPECT_NE(error_of_open(path), 0);
  const auto next = workshop_->begin({disk_});
  EXPECT_NE(next->paths()[0], path);
  EXPECT_EQ(error_of_open(next->paths()[0]), 0);
}

// SEMANTICS: "the disks as appliances see them. It goes with the mount"
TEST_F(WorkshopTest, ends_while_somebody_has_a_disk_open) {
  auto run = workshop_->begin({disk_});
  const std::string mounted = mount_point(*run);
  const UniqueFd fd(::open(run->paths()[0].c_str(), O_RDONLY | O_CLOEXEC));
  run.reset();
  workshop_.reset();
  EXPECT_FALSE(is_our_mount(mounted));
  char byte = 0;
  EXPECT_EQ(::pread(fd.get(), &byte, 1, 0), -1);
  EXPECT_TRUE(std::filesystem::is_empty(state_root()));
}

TEST_F(WorkshopTest, is_mounted_again_if_somebody_unmounted_it) {
  { const auto run = workshop_->begin({disk_}); }
  ASSERT_TRUE(unmount_lazily(workshop_->folder() + "/mnt"));
  for (int i = 0; i < 100; ++i) {
    const auto run = workshop_->begin({disk_});
    if (error_of_open(run->paths()[0]) == 0) return;
    ::usleep(20'000);  // until the kernel has ended the connection
  }
  ADD_FAILURE() << "it is not mounted again";
}

}  // namespace
}  // namespace v2vfs::fs
