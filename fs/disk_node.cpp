// SPDX-License-Identifier: MIT
#include "fs/disk_node.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr mode_t kDiskPermissions = 0640;
constexpr blksize_t kPreferredRead = 1 << 20;  // cp reads in this size: one FUSE request each

class DiskHandle : public Handle {
 public:
  DiskHandle(std::shared_ptr<Vm> vm, std::shared_ptr<Disk> disk, pid_t pid, bool writes)
      : vm_(std::move(vm)),
        disk_(std::move(disk)),
        writes_(writes),
        pass_(writes ? vm_->gate().open_writer(pid, disk_->shape())
                     : vm_->gate().open_reader(pid, disk_->shape())),
        holder_(disk_->add_holder(pid, writes)) {}
  ~DiskHandle() override { disk_->remove_holder(holder_); }

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    if (!bound_ && !disk_->is_cold(offset, out.size())) bind();
    return disk_->read(offset, out);
  }
  void write(std::uint64_t offset, std::span<const std::byte> in, bool sync,
             const Caller&) override {
    prepare_to_write();
    disk_->write(offset, in);
    if (sync) disk_->barrier();
  }
  void resize(std::uint64_t bytes) override {
    prepare_to_write();
    disk_->resize(bytes);
  }
  /// No barrier: closing promises nothing. A disk that lost its promise says so here too.
  void flush() override {
    if (const std::string poison = disk_->poison(); writes_ && !poison.empty()) {
      throw Error(EIO, poison);
    }
  }
  void fsync() override { disk_->barrier(); }
  void punch(std::uint64_t offset, std::uint64_t length, bool keep_size) override;
  std::uint64_t seek(std::uint64_t offset, int whence) override {
    // Before this handle's first read the data may come to lie elsewhere, and a copy that was told
    // of a hole there would lack it.
    if (!bound_ && vm_->gate().content_may_change()) return seek_all_data(offset, whence);
    return disk_->seek(offset, whence);
  }

 private:
  std::uint64_t seek_all_data(std::uint64_t offset, int whence) const {
    const std::uint64_t end = disk_->bytes();
    if (offset >= end) throw Error(ENXIO, "there is nothing behind the end");
    return whence == SEEK_DATA ? offset : end;
  }
  void prepare_to_write() {
    if (!writes_) throw Error(EBADF, disk_->file_name() + " is not open for writing");
    if (!bound_) bind();
    if (!wrote_) {
      vm_->gate().wrote(pass_);
      wrote_ = true;
    }
  }
  /// At the first access to content, which may have to wait, and must not mix what was before it
  /// with what is now.
  void bind() {
    vm_->gate().first_access(pass_, disk_->shape());
    bound_ = true;
    vm_->note_data_access();
  }

  const std::shared_ptr<Vm> vm_;
  const std::shared_ptr<Disk> disk_;
  const bool writes_;
  const Gate::Pass pass_;
  const std::uint64_t holder_;
  std::atomic<bool> bound_ = false;
  std::atomic<bool> wrote_ = false;
};

void DiskHandle::punch(std::uint64_t offset, std::uint64_t length, bool keep_size) {
  prepare_to_write();
  const std::uint64_t end = offset + length;
  const std::uint64_t size = disk_->bytes();
  if (!keep_size && end > size) disk_->resize(end);
  if (offset < size) disk_->punch(offset, std::min(end, size) - offset);
}

}  // namespace

DiskNode::DiskNode(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm,
                   std::size_t index)
    : Node(id),
      context_(context),
      vm_(std::move(vm)),
      index_(index),
      file_name_(Vm::disk_file_name(index)) {}

Attr DiskNode::attr() {
  const std::shared_ptr<Disk> disk = vm_->disk(index_);
  const AttributeStore* attributes = vm_->attributes();
  const SavedAttributes saved = attributes ? attributes->get(file_name_) : SavedAttributes{};
  Attr attr;
  attr.id = id();
  attr.mode = S_IFREG | saved.permissions.value_or(kDiskPermissions);
  attr.uid = saved.uid.value_or(context_.uid);
  attr.gid = saved.gid.value_or(context_.gid);
  attr.bytes = disk->bytes();
  attr.allocated_bytes = disk->allocated_bytes();
  attr.modified = disk->modified();
  attr.block_bytes = kPreferredRead;
  return attr;
}

void DiskNode::check_writable() const {
  if (context_.read_only) throw Error(EROFS, "this is mounted with -o ro");
  if (vm_->refuses_writers()) throw Error(EROFS, "v2vfs is stopping: nobody new may write");
}

AttributeStore& DiskNode::attributes() const {
  AttributeStore* attributes = vm_->attributes();
  if (!attributes) throw Error(EOPNOTSUPP, vm_->folder() + " has no state to keep this in");
  return *attributes;
}

void DiskNode::change(const AttrChange& change) {
  if (change.bytes) {
    check_writable();
    const std::shared_ptr<Disk> disk = vm_->disk(index_);
    vm_->gate().wrote_without_handle();
    disk->resize(*change.bytes);
  }
  if (change.permissions || change.uid || change.gid) {
    attributes().change_owner(file_name_, change);
  }
}

std::unique_ptr<Handle> DiskNode::open(int flags, const Caller& caller) {
  const bool writes = wants_writing(flags) || (flags & O_TRUNC);
  if (writes) check_writable();
  vm_->need_loaded();
  auto handle = std::make_unique<DiskHandle>(vm_, vm_->disk(index_), caller.pid, writes);
  if (flags & O_TRUNC) handle->resize(0);  // by the handle, which then knows the size it has
  return handle;
}

std::string DiskNode::xattr(std::string_view name) {
  const AttributeStore* attributes = vm_->attributes();
  if (!attributes) return Node::xattr(name);
  const SavedAttributes saved = attributes->get(file_name_);
  const auto found = saved.xattrs.find(name);
  if (found == saved.xattrs.end()) return Node::xattr(name);
  return found->second;
}

std::vector<std::string> DiskNode::xattr_names() {
  std::vector<std::string> names;
  if (const AttributeStore* attributes = vm_->attributes()) {
    const SavedAttributes saved = attributes->get(file_name_);
    for (const auto& [name, value] : saved.xattrs) names.push_back(name);
  }
  return names;
}

void DiskNode::set_xattr(std::string_view name, std::string_view value, XattrMode mode) {
  if (!name.starts_with("user.") && !name.starts_with("trusted.") &&
      !name.starts_with("security.")) {
    throw Error(EOPNOTSUPP, "only user.*, trusted.* and security.* attributes are kept");
  }
  attributes().set_xattr(file_name_, name, value, mode);
}

void DiskNode::remove_xattr(std::string_view name) { attributes().remove_xattr(file_name_, name); }

}  // namespace v2vfs::fs
