// SPDX-License-Identifier: MIT
#include "fs/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "fs/overlay/io.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

using ::testing::ElementsAre;

class NoFiles : public inspect::SourceFiles {
 public:
  inspect::SourceFile open(std::string_view name) const override {
    throw Error(ENOENT, "{} is not there", name);
  }
  std::vector<std::string> names() const override { return {}; }
};

/// An empty disk of a megabyte; the name of its file decides whether it can be opened.
std::unique_ptr<convert::DiskView> open(const inspect::DiskSpec& disk) {
  if (disk.file == "gone.vmdk") throw Error(EIO, "it is gone");
  inspect::DiskSpec empty;
  empty.format = inspect::DiskFormat::empty;
  empty.capacity_bytes = 1 << 20;
  return convert::open_disk(NoFiles(), empty, {}, std::nullopt);
}

inspect::MachineSpec machine(const std::vector<inspect::SnapshotSpec>& snapshots) {
  inspect::MachineSpec machine;
  machine.disks.resize(2);
  machine.snapshots = snapshots;
  return machine;
}

inspect::SnapshotSpec snapshot(const std::string& id, const std::string& name,
                               const std::vector<inspect::SnapshotDisk>& disks) {
  inspect::SnapshotSpec spec;
  spec.id = id;
  spec.name = name;
  spec.disks = disks;
  return spec;
}

std::vector<std::string> files_of(const Snapshots::Folder& folder) {
  std::vector<std::string> files;
  for (const auto& disk : folder.disks) files.push_back(disk->file_name());
  return files;
}

/// Waits as a request would that is made again.
std::shared_ptr<Disk> opened(SnapshotDisk& disk) {
  for (;;) {
    try {
      return disk.disk();
    } catch (const NotYet& wait) {
      auto ended = std::make_shared<std::promise<void>>();
      wait.event->when_ended([ended](const std::optional<Error>&) { ended->set_value(); });
      ended->get_future().wait();
      if (const auto failure = wait.event->failure()) throw *failure;
    }
  }
}

// SEMANTICS: "under the names of the machine's disks"
TEST(Snapshots, are_folders_with_safe_names_and_the_machines_file_names) {
  const auto spec =
      machine({snapshot("1", "a/b", {{.file = "x", .disk = 0}}),
               snapshot("2", "", {{.file = "x", .disk = 1}, {.file = "y", .disk = {}}}),
               snapshot("3", "without", {}),
               snapshot("4", "2", {{.file = "x", .disk = 0}, {.file = "y", .disk = 0}})});
  const Snapshots snapshots(spec, open, &real_io());
  ASSERT_EQ(snapshots.folders().size(), 3u);
  EXPECT_EQ(snapshots.folders()[0].name.find('/'), std::string::npos);
  EXPECT_EQ(snapshots.folders()[1].name, "2");
  EXPECT_EQ(snapshots.folders()[2].name, "2-2");
  EXPECT_THAT(files_of(snapshots.folders()[0]), ElementsAre("disk.qcow2"));
  EXPECT_THAT(files_of(snapshots.folders()[1]), ElementsAre("disk-2.qcow2", "disk-3.qcow2"));
  EXPECT_THAT(files_of(snapshots.folders()[2]), ElementsAre("disk.qcow2", "disk-3.qcow2"));
  EXPECT_EQ(snapshots.node_count(), 8u);
}

TEST(Snapshots, a_disk_is_opened_when_somebody_asks_and_kept) {
  int count = 0;
  Snapshots snapshots(
      machine({snapshot("1", "a", {{.file = "x", .disk = 0}})}),
      [&](const inspect::DiskSpec& disk) {
        ++count;
        return open(disk);
      },
      &real_io());
  SnapshotDisk& disk = *snapshots.folders()[0].disks[0];
  EXPECT_EQ(count, 0);
  EXPECT_THROW(disk.disk(), NotYet);
  const auto first = opened(disk);
  EXPECT_EQ(opened(disk), first);
  EXPECT_EQ(disk.disk_soon(), first);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(first->virtual_bytes(), 1u << 20);
  snapshots.forget();
  EXPECT_NE(disk.disk_soon(), first);
  EXPECT_EQ(count, 2);
}

TEST(Snapshots, a_failure_is_for_those_who_wait_and_is_tried_again) {
  int count = 0;
  Snapshots snapshots(
      machine({snapshot("1", "a", {{.file = "gone.vmdk", .disk = 0}})}),
      [&](const inspect::DiskSpec& disk) {
        inspect::DiskSpec now = disk;
        if (++count == 3) now.file = "x";
        return open(now);
      },
      &real_io());
  SnapshotDisk& disk = *snapshots.folders()[0].disks[0];
  EXPECT_THROW(opened(disk), Error);
  EXPECT_THROW(disk.disk_soon(), Error);
  EXPECT_EQ(count, 2);
  EXPECT_NE(opened(disk), nullptr);
}

}  // namespace
}  // namespace v2vfs::fs
