// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"
#include "fs/disk.h"
#include "fs/event.h"
#include "fs/work_queue.h"
#include "inspect/model.h"

namespace v2vfs::fs {

/// One disk as it was at a snapshot. It has no state and no holders that anybody waits for; it is
/// opened at the first look at it, on a thread of `queue`. Thread safe.
class SnapshotDisk {
 public:
  using OpenView = std::function<std::unique_ptr<convert::DiskView>()>;
  SnapshotDisk(std::string file_name, OpenView open_view, Io& io, WorkQueue& queue)
      : file_name_(std::move(file_name)),
        open_view_(std::move(open_view)),
        io_(io),
        queue_(queue) {}

  const std::string& file_name() const { return file_name_; }
  /// Throws NotYet while it is being opened; if that fails, those who wait get why, and whoever
  /// comes then has it tried again.
  std::shared_ptr<Disk> disk();
  /// The same for stat(2), which cannot be interrupted: waits some seconds, then throws EAGAIN, or
  /// why the disk cannot be opened.
  std::shared_ptr<Disk> disk_soon();
  /// Whoever comes now gets what the source is now.
  void forget();

 private:
  void open(const std::shared_ptr<Event>& event) noexcept;
  void keep(std::shared_ptr<Disk> disk);

  const std::string file_name_;
  const OpenView open_view_;
  Io& io_;
  WorkQueue& queue_;
  std::mutex mutex_;
  std::shared_ptr<Disk> disk_;      // guarded by mutex_
  std::shared_ptr<Event> opening_;  // guarded by mutex_
};

/// The snapshots of a machine that have disks of their own, as folders.
class Snapshots {
 public:
  /// How a disk of the machine is opened; outlives the views.
  using OpenDisk = std::function<std::unique_ptr<convert::DiskView>(const inspect::DiskSpec& disk)>;
  Snapshots(const inspect::MachineSpec& machine, OpenDisk open_disk, Io* io);

  struct Folder {
    std::string name;  // safe, unique
    std::optional<std::int64_t> created_unix;
    std::vector<std::unique_ptr<SnapshotDisk>> disks;
  };
  const std::vector<Folder>& folders() const { return folders_; }
  /// Nodes that they make: one a folder, one a disk.
  std::size_t node_count() const;

  void forget();
  /// What is being opened ends by itself; nothing more is.
  void stop() { queue_.stop(); }

 private:
  Folder make_folder(const inspect::MachineSpec& machine, const inspect::SnapshotSpec& snapshot,
                     std::string name);

  const OpenDisk open_disk_;
  Io* const io_;
  std::vector<Folder> folders_;
  WorkQueue queue_{1};  // last: its thread is gone before what it uses
};

}  // namespace v2vfs::fs
