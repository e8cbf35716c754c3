// SPDX-License-Identifier: MIT
#include "fs/workshop.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <shared_mutex>
#include <utility>

#include "fs/durable_file.h"
#include "fs/mount_table.h"
#include "fs/options.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

Attr attr_of(NodeId id, mode_t mode) {
  Attr attr;
  attr.id = id;
  attr.mode = mode;
  attr.uid = ::geteuid();
  attr.gid = ::getegid();
  return attr;
}

constexpr const char* kFolderPrefix = "workshop-";

std::string run_name(std::size_t number) { return fmt::format("run-{}", number); }

/// Of a run; shared with handles that are still open when it ends.
struct RunLife {
  std::atomic<bool> ended = false;
  std::shared_mutex writing;  // held shared by each write

  void check() const {
    if (ended) throw Error(ESTALE, "the run that this disk was shown to has ended");
  }
  /// When it returns no write is under way, and none begins.
  void end() {
    const std::unique_lock lock(writing);
    ended = true;
  }
};

template <typename AnyDisk>
class DiskReader : public Handle {
 public:
  DiskReader(std::shared_ptr<AnyDisk> disk, std::shared_ptr<RunLife> life)
      : disk_(std::move(disk)), life_(std::move(life)) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    life_->check();
    const std::size_t got = disk_->read(offset, out);
    life_->check();  // what was read may be of after the run's end
    return got;
  }

 protected:
  const std::shared_ptr<AnyDisk> disk_;
  const std::shared_ptr<RunLife> life_;
};

class ReadOnlyHandle : public DiskReader<Disk> {
 public:
  using DiskReader::DiskReader;
  std::uint64_t seek(std::uint64_t offset, int whence) override {
    life_->check();
    return disk_->seek(offset, whence);
  }
};

/// No barriers: what is written counts only once the run is committed, which begins with one.
class StagedHandle : public DiskReader<StagedDisk> {
 public:
  using DiskReader::DiskReader;
  void write(std::uint64_t offset, std::span<const std::byte> in, bool, const Caller&) override {
    change([&] { disk_->write(offset, in); });
  }
  void resize(std::uint64_t bytes) override {
    change([&] { disk_->resize(bytes); });
  }
  void punch(std::uint64_t offset, std::uint64_t length, bool keep_size) override {
    change([&] {
      const std::uint64_t end = offset + length, size = disk_->bytes();
      if (!keep_size && end > size) disk_->resize(end);
      if (offset < size) disk_->punch(offset, std::min(end, size) - offset);
    });
  }

 private:
  template <typename Change>
  void change(Change&& change) {
    const std::shared_lock lock(life_->writing);
    life_->check();
    change();
  }
};

}  // namespace

class Workshop::File : public Node {
 public:
  using Node::Node;

 protected:
  template <typename AnyDisk>
  Attr attr_of_disk(const AnyDisk& disk, mode_t permissions) const {
    Attr attr = attr_of(id(), S_IFREG | permissions);
    attr.bytes = disk.bytes();
    attr.allocated_bytes = disk.allocated_bytes();
    return attr;
  }
};

class Workshop::DiskFile : public File {
 public:
  DiskFile(NodeId id, std::shared_ptr<Disk> disk, std::shared_ptr<RunLife> life)
      : File(id), disk_(std::move(disk)), life_(std::move(life)) {}

  Attr attr() override { return attr_of_disk(*disk_, 0400); }
  std::unique_ptr<Handle> open(int flags, const Caller&) override {
    if ((flags & O_ACCMODE) != O_RDONLY) throw Error(EROFS, "this run may only read");
    return std::make_unique<ReadOnlyHandle>(disk_, life_);
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::shared_ptr<RunLife> life_;
};

class Workshop::StagedFile : public File {
 public:
  StagedFile(NodeId id, std::shared_ptr<StagedDisk> disk, std::shared_ptr<RunLife> life)
      : File(id), disk_(std::move(disk)), life_(std::move(life)) {}

  Attr attr() override { return attr_of_disk(*disk_, 0600); }
  void change(const AttrChange& change) override {
    if (change.permissions || change.uid || change.gid) Node::change(change);
    if (change.bytes) StagedHandle(disk_, life_).resize(*change.bytes);
  }
  std::unique_ptr<Handle> open(int, const Caller&) override {
    return std::make_unique<StagedHandle>(disk_, life_);
  }

 private:
  const std::shared_ptr<StagedDisk> disk_;
  const std::shared_ptr<RunLife> life_;
};

/// The root, and the folder of each run.
class Workshop::Folder : public Directory {
 public:
  using Directory::Directory;

  Attr attr() override { return attr_of(id(), S_IFDIR | 0500); }
  std::shared_ptr<Node> child(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = children_.find(name);
    return found == children_.end() ? nullptr : found->second;
  }
  std::vector<DirEntry> list() override {
    const std::lock_guard lock(mutex_);
    std::vector<DirEntry> entries;
    for (const auto& [name, node] : children_) {
      entries.push_back({name, node->id(), dynamic_cast<Directory*>(node.get()) != nullptr});
    }
    return entries;
  }

  void add(const std::string& name, std::shared_ptr<Node> node) {
    const std::lock_guard lock(mutex_);
    children_[name] = std::move(node);
  }
  void drop(const std::string& name) {
    const std::lock_guard lock(mutex_);
    children_.erase(name);
  }

  const std::shared_ptr<RunLife> life = std::make_shared<RunLife>();

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>, std::less<>> children_;  // guarded by mutex_
};

Workshop::Run::Run(Workshop& workshop, std::size_t number, std::vector<std::string> paths)
    : workshop_(workshop), number_(number), paths_(std::move(paths)) {}

Workshop::Run::~Run() { workshop_.end(number_); }

Workshop::Workshop(std::string state_root)
    : state_root_(std::move(state_root)), root_(std::make_shared<Folder>(kRootId)) {
  nodes_[kRootId] = root_;
  PrivateFolder::remove_left(state_root_, kFolderPrefix);
}

Workshop::~Workshop() { unmount(); }

template <typename FileOf, typename Disks>
std::unique_ptr<Workshop::Run> Workshop::show(const Disks& disks) {
  const std::string mounted = mount();
  const std::lock_guard lock(mutex_);
  const std::size_t number = next_run_++;
  auto folder = std::make_shared<Folder>(next_id_++);
  nodes_[folder->id()] = folder;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    auto file = std::make_shared<FileOf>(next_id_++, disks[i], folder->life);
    const std::string name = fmt::format("disk-{}.qcow2", i + 1);
    nodes_[file->id()] = file;
    folder->add(name, file);
    paths.push_back(fmt::format("{}/{}/{}", mounted, run_name(number), name));
  }
  run_folders_[number] = folder;
  root_->add(run_name(number), folder);
  return std::make_unique<Run>(*this, number, std::move(paths));
}

std::unique_ptr<Workshop::Run> Workshop::begin(const std::vector<std::shared_ptr<Disk>>& disks) {
  return show<DiskFile>(disks);
}

std::unique_ptr<Workshop::Run> Workshop::begin_writing(
    const std::vector<std::shared_ptr<StagedDisk>>& disks) {
  return show<StagedFile>(disks);
}

/// Waits for writes without the lock: a write of another run must not wait for them.
void Workshop::end(std::size_t number) {
  std::shared_ptr<Folder> folder;
  {
    const std::lock_guard lock(mutex_);
    folder = run_folders_.extract(number).mapped();
    root_->drop(run_name(number));
    for (const DirEntry& entry : folder->list()) nodes_.erase(entry.id);
    nodes_.erase(folder->id());
  }
  folder->life->end();
}

std::shared_ptr<Node> Workshop::node(NodeId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) throw Error(ESTALE, "the run that this was part of has ended");
  return found->second;
}

/// At the first run, and again if somebody has unmounted it. Gives the mount point.
std::string Workshop::mount() try {
  const std::lock_guard lock(mount_mutex_);
  if (!folder_) folder_.emplace(state_root_, kFolderPrefix);
  const std::string point = folder_->mount_point();
  if (session_ && !session_->ended()) return point;
  session_.reset();
  make_private_folder(point);
  const SessionOptions options{.mountpoint = point, .source_name = "v2vfs-workshop"};
  session_.emplace(*this, state_root_, options, [] {});
  device_ = mount_device(point);
  return point;
} catch (const StartError& e) {
  throw Error(EIO, "the disks cannot be shown to the appliance: {}", e.what());
}

std::string Workshop::folder() const {
  const std::lock_guard lock(mount_mutex_);
  return folder_ ? folder_->path() : "";
}

void Workshop::unmount() {
  const std::lock_guard lock(mount_mutex_);
  if (!session_) return;
  if (!session_->ended()) {
    const std::string point = folder_->mount_point();
    if (mount_device(point) == device_) unmount_by_force(point);
    abort_connection(device_);
  }
  session_.reset();
}

}  // namespace v2vfs::fs
