// SPDX-License-Identifier: MIT
#include "fs/workshop.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
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

/// Set when the run has ended; shared with handles that are still open then.
using Revoked = std::shared_ptr<std::atomic<bool>>;

class DiskReader : public Handle {
 public:
  DiskReader(std::shared_ptr<Disk> disk, Revoked revoked)
      : disk_(std::move(disk)), revoked_(std::move(revoked)) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    check();
    const std::size_t got = disk_->read(offset, out);
    check();  // what was read may be of after the run's end
    return got;
  }
  std::uint64_t seek(std::uint64_t offset, int whence) override {
    check();
    return disk_->seek(offset, whence);
  }

 private:
  void check() const {
    if (*revoked_) throw Error(ESTALE, "the run that this disk was shown to has ended");
  }

  const std::shared_ptr<Disk> disk_;
  const Revoked revoked_;
};

}  // namespace

class Workshop::DiskFile : public Node {
 public:
  DiskFile(NodeId id, std::shared_ptr<Disk> disk, Revoked revoked)
      : Node(id), disk_(std::move(disk)), revoked_(std::move(revoked)) {}

  Attr attr() override {
    Attr attr = attr_of(id(), S_IFREG | 0400);
    attr.bytes = disk_->bytes();
    attr.allocated_bytes = disk_->allocated_bytes();
    return attr;
  }
  std::unique_ptr<Handle> open(int flags, const Caller&) override {
    if ((flags & O_ACCMODE) != O_RDONLY) throw Error(EROFS, "this run may only read");
    return std::make_unique<DiskReader>(disk_, revoked_);
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const Revoked revoked_;
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

  const Revoked revoked = std::make_shared<std::atomic<bool>>(false);

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

std::unique_ptr<Workshop::Run> Workshop::begin(const std::vector<std::shared_ptr<Disk>>& disks) {
  const std::string mounted = mount();
  const std::lock_guard lock(mutex_);
  const std::size_t number = next_run_++;
  auto folder = std::make_shared<Folder>(next_id_++);
  nodes_[folder->id()] = folder;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    auto file = std::make_shared<DiskFile>(next_id_++, disks[i], folder->revoked);
    const std::string name = fmt::format("disk-{}.qcow2", i + 1);
    nodes_[file->id()] = file;
    folder->add(name, file);
    paths.push_back(fmt::format("{}/{}/{}", mounted, run_name(number), name));
  }
  run_folders_[number] = folder;
  root_->add(run_name(number), folder);
  return std::make_unique<Run>(*this, number, std::move(paths));
}

void Workshop::end(std::size_t number) {
  const std::lock_guard lock(mutex_);
  const auto run = run_folders_.extract(number);
  const std::shared_ptr<Folder>& folder = run.mapped();
  *folder->revoked = true;
  root_->drop(run_name(number));
  for (const DirEntry& entry : folder->list()) nodes_.erase(entry.id);
  nodes_.erase(folder->id());
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
  const SessionOptions options{
      .mountpoint = point, .source_name = "v2vfs-workshop", .read_only = true};
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
