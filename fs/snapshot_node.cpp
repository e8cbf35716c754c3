// SPDX-License-Identifier: MIT
#include "fs/snapshot_node.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr mode_t kPermissions = 0440;
constexpr blksize_t kPreferredRead = 1 << 20;

class SnapshotHandle : public Handle {
 public:
  SnapshotHandle(std::shared_ptr<Vm> vm, std::shared_ptr<Disk> disk, pid_t pid)
      : vm_(std::move(vm)), disk_(std::move(disk)), holder_(disk_->add_holder(pid, false)) {}
  ~SnapshotHandle() override { disk_->remove_holder(holder_); }

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return disk_->read(offset, out);
  }
  std::uint64_t seek(std::uint64_t offset, int whence) override {
    return disk_->seek(offset, whence);
  }

 private:
  const std::shared_ptr<Vm> vm_;
  const std::shared_ptr<Disk> disk_;
  const std::uint64_t holder_;
};

}  // namespace

/// One that cannot be opened has no size; whoever opens it gets the reason.
Attr SnapshotNode::attr() {
  Attr attr;
  attr.id = id();
  attr.mode = S_IFREG | kPermissions;
  attr.uid = context_.uid;
  attr.gid = context_.gid;
  attr.modified = context_.started;
  attr.block_bytes = kPreferredRead;
  try {
    const std::shared_ptr<Disk> disk = disk_.disk_soon();
    attr.bytes = disk->bytes();
    attr.allocated_bytes = disk->allocated_bytes();
    attr.modified = disk->modified();
  } catch (const Error& error) {
    if (error.error_number() == EAGAIN) throw;
  }
  return attr;
}

std::unique_ptr<Handle> SnapshotNode::open(int flags, const Caller& caller) {
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) {
    throw Error(EROFS, "a snapshot is never written to; copy it, or use it as a backing file");
  }
  return std::make_unique<SnapshotHandle>(vm_, disk_.disk(), caller.pid);
}

}  // namespace v2vfs::fs
