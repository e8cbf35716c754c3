// SPDX-License-Identifier: MIT
#include "fs/snapshots.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <set>

#include "fs/vm.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/source/folder_names.h"

namespace v2vfs::fs {
namespace {

constexpr auto kLongestStat = std::chrono::seconds(4);

}  // namespace

std::shared_ptr<Disk> SnapshotDisk::disk() {
  const std::lock_guard lock(mutex_);
  if (disk_) return disk_;
  if (!opening_) {
    opening_ = std::make_shared<Event>();
    queue_.add([this, event = opening_] { open(event); });
  }
  throw NotYet{opening_};
}

std::shared_ptr<Disk> SnapshotDisk::disk_soon() try { return disk(); } catch (const NotYet& wait) {
  auto ended = std::make_shared<std::promise<void>>();
  wait.event->when_ended([ended](const std::optional<Error>&) { ended->set_value(); });
  if (ended->get_future().wait_for(kLongestStat) != std::future_status::ready) {
    throw Error(EAGAIN, "{} is still being opened: its source is slow, or does not answer",
                file_name_);
  }
  if (const auto failure = wait.event->failure()) throw *failure;
  const std::lock_guard lock(mutex_);
  if (!disk_) throw Error(EAGAIN, "{} was given up meanwhile", file_name_);
  return disk_;
}

void SnapshotDisk::keep(std::shared_ptr<Disk> disk) {
  const std::lock_guard lock(mutex_);
  disk_ = std::move(disk);
  opening_.reset();
}

void SnapshotDisk::open(const std::shared_ptr<Event>& event) noexcept {
  try {
    auto identity_now = [this] { return open_view_()->source_identity(); };
    keep(std::make_shared<Disk>(file_name_, open_view_(), io_, "", identity_now));
    event->happen();
  } catch (const Error& error) {
    log::error("{}: {}", file_name_, error.sentence());
    keep(nullptr);
    event->fail(error);
  } catch (const std::exception& error) {
    keep(nullptr);
    event->fail(Error(EIO, "{}: {}", file_name_, error.what()));
  }
}

void SnapshotDisk::forget() {
  const std::lock_guard lock(mutex_);
  disk_.reset();
}

Snapshots::Snapshots(const inspect::MachineSpec& machine, OpenDisk open_disk, Io* io)
    : open_disk_(std::move(open_disk)), io_(io) {
  inspect::FolderNames names;
  for (const inspect::SnapshotSpec& snapshot : machine.snapshots) {
    if (snapshot.disks.empty()) continue;
    const std::string& name = snapshot.name.empty() ? snapshot.id : snapshot.name;
    folders_.push_back(make_folder(machine, snapshot, names.take(name)));
  }
}

/// A disk has the name that it has in the machine; one that the machine has no more comes behind
/// them.
Snapshots::Folder Snapshots::make_folder(const inspect::MachineSpec& machine,
                                         const inspect::SnapshotSpec& snapshot, std::string name) {
  Folder folder{std::move(name), snapshot.created_unix, {}};
  std::size_t next = machine.disks.size();
  std::set<std::size_t> taken;
  for (const inspect::SnapshotDisk& disk : snapshot.disks) {
    inspect::DiskSpec spec;
    spec.id = disk.file;
    spec.file = disk.file;
    spec.format = disk.format;
    const bool is_known = disk.disk && taken.insert(*disk.disk).second;
    const std::string file = Vm::disk_file_name(is_known ? *disk.disk : next++);
    folder.disks.push_back(std::make_unique<SnapshotDisk>(
        file, [this, spec] { return open_disk_(spec); }, *io_, queue_));
  }
  return folder;
}

std::size_t Snapshots::node_count() const {
  std::size_t count = 0;
  for (const Folder& folder : folders_) count += 1 + folder.disks.size();
  return count;
}

void Snapshots::forget() {
  for (const Folder& folder : folders_) {
    for (const auto& disk : folder.disks) disk->forget();
  }
}

}  // namespace v2vfs::fs
