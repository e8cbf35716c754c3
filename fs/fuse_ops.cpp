// SPDX-License-Identifier: MIT
#include "fs/fuse_ops.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "fs/fuse_guard.h"
#include "fs/io_buffer.h"
#include "inspect/base/error.h"

// Protocol rules kept here: one reply for each request; no lock is held when it is sent; a handle
// whose open reply did not reach the kernel is destroyed at once, for no RELEASE will come; node
// ids are never pointers. Nodes live as long as the mount, but for scratch files and guest files;
// guest files live as long as the kernel knows them, which their NodeSpace counts: up before each
// reply that names one, down at FORGET and where the reply did not arrive.

namespace v2vfs::fs {
namespace {

constexpr double kDirectoryTimeout = 1.0;
/// A stale size would make asynchronous direct reads return zeros: disks and texts are asked anew.
constexpr double kFileTimeout = 0.0;

FuseTarget& target(fuse_req_t req) { return *static_cast<FuseTarget*>(fuse_req_userdata(req)); }
NodeSpace& nodes(fuse_req_t req) { return *target(req).nodes; }

class FuseCaller : public Caller {
 public:
  explicit FuseCaller(fuse_req_t req)
      : Caller(fuse_req_ctx(req)->uid, fuse_req_ctx(req)->pid), req_(req) {}
  bool interrupted() const override { return fuse_req_interrupted(req_); }

 private:
  fuse_req_t req_;
};

Handle& handle_of(const fuse_file_info* info) { return Lent<Handle>::find(info->fh); }

struct stat to_stat(const Attr& attr) {
  struct stat st {};
  st.st_ino = attr.shown_id ? attr.shown_id : attr.id;
  st.st_mode = attr.mode;
  st.st_nlink = attr.links;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_size = static_cast<off_t>(attr.bytes);
  st.st_blocks = static_cast<blkcnt_t>((attr.allocated_bytes + 511) / 512);
  st.st_blksize = attr.block_bytes;
  st.st_mtim = st.st_ctim = st.st_atim = attr.modified;
  return st;
}

double timeout_of(const Attr& attr) {
  return S_ISDIR(attr.mode) ? kDirectoryTimeout : kFileTimeout;
}

fuse_entry_param to_entry(const Attr& attr) {
  fuse_entry_param entry{};
  entry.ino = attr.id;
  entry.generation = 1;
  entry.attr = to_stat(attr);
  entry.attr_timeout = entry.entry_timeout = timeout_of(attr);
  return entry;
}

void op_init(void* userdata, fuse_conn_info* conn) {
  conn->max_background = 64;
  conn->congestion_threshold = 48;
  conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
  static_cast<FuseTarget*>(userdata)->answered.set_value();
}

/// The answer that names a node; nullptr: there is no such name.
void reply_entry(fuse_req_t req, const std::shared_ptr<Node>& node) {
  fuse_entry_param entry{};  // ino 0: there is no such name
  if (node) {
    entry = to_entry(node->attr());
    nodes(req).remember(node);
  }
  NodeSpace& space = nodes(req);
  if (fuse_reply_entry(req, &entry) != 0 && node) space.forget(node->id(), 1);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  guard_waiting(req, "lookup", parent, [=, name = std::string(name)] {
    reply_entry(req, nodes(req).directory(parent)->child(name));
  });
}

void op_forget(fuse_req_t req, fuse_ino_t ino, std::uint64_t times) {
  nodes(req).forget(ino, times);
  fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) nodes(req).forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  guard_waiting(req, "getattr", ino, [=] {
    const Attr attr = nodes(req).node(ino)->attr();
    const struct stat st = to_stat(attr);
    fuse_reply_attr(req, &st, timeout_of(attr));
  });
}

void op_readlink(fuse_req_t req, fuse_ino_t ino) {
  guard_waiting(req, "readlink", ino,
                [=] { fuse_reply_readlink(req, nodes(req).node(ino)->readlink().c_str()); });
}

AttrChange to_change(const struct stat& st, int to_set) {
  AttrChange change;
  if (to_set & FUSE_SET_ATTR_MODE) change.permissions = st.st_mode & 07777;
  if (to_set & FUSE_SET_ATTR_UID) change.uid = st.st_uid;
  if (to_set & FUSE_SET_ATTR_GID) change.gid = st.st_gid;
  if (to_set & FUSE_SET_ATTR_SIZE) change.bytes = static_cast<std::uint64_t>(st.st_size);
  return change;
}

/// Times are the view's own: utimensat(2) succeeds and changes nothing (SEMANTICS.md).
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat* st, int to_set, fuse_file_info* info) {
  Handle* const handle = info ? &handle_of(info) : nullptr;
  guard_waiting(req, "setattr", ino, [=, change = to_change(*st, to_set)]() mutable {
    const std::shared_ptr<Node> node = nodes(req).node(ino);
    if (change.bytes && handle) {
      handle->resize(*change.bytes);
      change.bytes.reset();
    }
    if (change.bytes || change.permissions || change.uid || change.gid) node->change(change);
    const Attr attr = node->attr();
    const struct stat now = to_stat(attr);
    fuse_reply_attr(req, &now, timeout_of(attr));
  });
}

/// Replies and, if the reply does not reach the kernel, drops the handle.
void reply_open(fuse_req_t req, fuse_file_info* info, std::unique_ptr<Handle> handle) {
  Lent<Handle>& handles = target(req).handles;
  info->fh = handles.lend(std::move(handle));
  info->direct_io = 1;
  if (fuse_reply_open(req, info) != 0) handles.take_back(info->fh);
}

void op_open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  guard_waiting(req, "open", ino, [=, info = *info]() mutable {
    reply_open(req, &info, nodes(req).node(ino)->open(info.flags, FuseCaller(req)));
  });
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* info) {
  guard_waiting(req, "create", parent, [=, name = std::string(name), info = *info]() mutable {
    NodeSpace& space = nodes(req);
    const std::shared_ptr<Node> node = space.directory(parent)->create(name, mode);
    std::unique_ptr<Handle> handle = node->open(info.flags, FuseCaller(req));
    const fuse_entry_param entry = to_entry(node->attr());
    Lent<Handle>& handles = target(req).handles;
    info.fh = handles.lend(std::move(handle));
    info.direct_io = 1;
    space.remember(node);
    if (fuse_reply_create(req, &entry, &info) != 0) {
      handles.take_back(info.fh);
      space.forget(node->id(), 1);
    }
  });
}

void op_release(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  target(req).handles.take_back(info->fh);
  fuse_reply_err(req, 0);
}

void op_read(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info* info) {
  guard_waiting(req, "read", ino, [=, handle = &handle_of(info)] {
    thread_local IoBuffer buffer;
    const std::span<std::byte> out = buffer.get(size);
    const std::size_t got = handle->read(static_cast<std::uint64_t>(offset), out);
    fuse_reply_buf(req, reinterpret_cast<const char*>(out.data()), got);
  });
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char* data, std::size_t size, off_t offset,
              fuse_file_info* info) {
  guard(req, "write", ino, [&] {
    const std::span in(reinterpret_cast<const std::byte*>(data), size);
    const bool sync = info->flags & (O_SYNC | O_DSYNC);
    handle_of(info).write(static_cast<std::uint64_t>(offset), in, sync, FuseCaller(req));
    fuse_reply_write(req, size);
  });
}

void op_flush(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  guard_waiting(req, "flush", ino, [=, handle = &handle_of(info)] {
    handle->flush();
    fuse_reply_err(req, 0);
  });
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info* info) {
  guard_waiting(req, "fsync", ino, [=, handle = &handle_of(info)] {
    handle->fsync();
    fuse_reply_err(req, 0);
  });
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                  fuse_file_info* info) {
  guard(req, "fallocate", ino, [&] {
    const int what = mode & ~FALLOC_FL_KEEP_SIZE;
    if (what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE) {
      throw Error(EOPNOTSUPP, "only holes and zeroes can be made with fallocate");
    }
    handle_of(info).punch(static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length),
                          mode & FALLOC_FL_KEEP_SIZE);
    fuse_reply_err(req, 0);
  });
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info) {
  guard(req, "lseek", ino, [&] {
    const std::uint64_t found = handle_of(info).seek(static_cast<std::uint64_t>(offset), whence);
    fuse_reply_lseek(req, static_cast<off_t>(found));
  });
}

// Directories: the names are taken down at OPENDIR, so a listing is consistent.

void op_opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  guard_waiting(req, "opendir", ino, [=, info = *info]() mutable {
    auto listing = std::make_unique<Listing>();
    listing->push_back({".", ino, true});
    listing->push_back({"..", kRootId, true});
    for (DirEntry& entry : nodes(req).directory(ino)->list()) listing->push_back(std::move(entry));
    Lent<Listing>& listings = target(req).listings;
    info.fh = listings.lend(std::move(listing));
    if (fuse_reply_open(req, &info) != 0) listings.take_back(info.fh);
  });
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset,
                fuse_file_info* info) {
  guard(req, "readdir", ino, [&] {
    const Listing& listing = Lent<Listing>::find(info->fh);
    std::string buffer(size, '\0');
    std::size_t used = 0;
    for (auto i = static_cast<std::size_t>(offset); i < listing.size(); ++i) {
      struct stat st {};
      st.st_ino = listing[i].id;
      st.st_mode = listing[i].is_directory ? S_IFDIR : S_IFREG;
      if (listing[i].type) st.st_mode = listing[i].type;
      const std::size_t bytes =
          fuse_add_direntry(req, buffer.data() + used, size - used, listing[i].name.c_str(), &st,
                            static_cast<off_t>(i + 1));
      if (bytes > size - used) break;
      used += bytes;
    }
    fuse_reply_buf(req, buffer.data(), used);
  });
}

void op_releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  target(req).listings.take_back(info->fh);
  fuse_reply_err(req, 0);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  guard_waiting(req, "unlink", parent, [=, name = std::string(name)] {
    nodes(req).directory(parent)->remove(name);
    fuse_reply_err(req, 0);
  });
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  guard_waiting(req, "rmdir", parent, [=, name = std::string(name)] {
    nodes(req).directory(parent)->remove_directory(name);
    fuse_reply_err(req, 0);
  });
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  guard_waiting(req, "mkdir", parent, [=, name = std::string(name)] {
    reply_entry(req, nodes(req).directory(parent)->make_directory(name, mode));
  });
}

void op_symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  guard_waiting(req, "symlink", parent,
                [=, name = std::string(name), target = std::string(target)] {
                  reply_entry(req, nodes(req).directory(parent)->make_symlink(name, target));
                });
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) {
  constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE of renameat2(2)
  guard_waiting(req, "rename", parent,
                [=, name = std::string(name), new_name = std::string(new_name)] {
                  if (flags & ~kNoReplace) throw Error(EINVAL, "rename exchanges nothing here");
                  const auto folder = nodes(req).directory(new_parent);
                  nodes(req).directory(parent)->move(name, *folder, new_name, !flags);
                  fuse_reply_err(req, 0);
                });
}

// Extended attributes: size 0 asks for the size.

void reply_xattr(fuse_req_t req, const std::string& value, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(req, value.size());
  } else if (value.size() > size) {
    throw Error(ERANGE, "the buffer is too small");
  } else {
    fuse_reply_buf(req, value.data(), value.size());
  }
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t size) {
  guard_waiting(req, "getxattr", ino, [=, name = std::string(name)] {
    reply_xattr(req, nodes(req).node(ino)->xattr(name), size);
  });
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t size) {
  guard_waiting(req, "listxattr", ino, [=] {
    std::string names;
    for (const std::string& name : nodes(req).node(ino)->xattr_names()) names += name + '\0';
    reply_xattr(req, names, size);
  });
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value,
                 std::size_t size, int flags) {
  guard_waiting(
      req, "setxattr", ino, [=, name = std::string(name), value = std::string(value, size)] {
        constexpr int kCreate = 1, kReplace = 2;  // XATTR_CREATE, XATTR_REPLACE of setxattr(2)
        const XattrMode mode = flags == kCreate    ? XattrMode::create
                               : flags == kReplace ? XattrMode::replace
                                                   : XattrMode::any;
        nodes(req).node(ino)->set_xattr(name, value, mode);
        fuse_reply_err(req, 0);
      });
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  guard_waiting(req, "removexattr", ino, [=, name = std::string(name)] {
    nodes(req).node(ino)->remove_xattr(name);
    fuse_reply_err(req, 0);
  });
}

void op_statfs(fuse_req_t req, fuse_ino_t ino) {
  guard(req, "statfs", ino, [&] {
    struct statvfs st {};
    if (::statvfs(target(req).state_root.c_str(), &st) != 0) throw errno_error("statfs");
    fuse_reply_statfs(req, &st);
  });
}

fuse_lowlevel_ops make_operations() {
  fuse_lowlevel_ops ops{};
  ops.init = op_init;
  ops.lookup = op_lookup;
  ops.forget = op_forget;
  ops.forget_multi = op_forget_multi;
  ops.readlink = op_readlink;
  ops.mkdir = op_mkdir;
  ops.rmdir = op_rmdir;
  ops.symlink = op_symlink;
  ops.getattr = op_getattr;
  ops.setattr = op_setattr;
  ops.open = op_open;
  ops.create = op_create;
  ops.release = op_release;
  ops.read = op_read;
  ops.write = op_write;
  ops.flush = op_flush;
  ops.fsync = op_fsync;
  ops.fallocate = op_fallocate;
  ops.lseek = op_lseek;
  ops.opendir = op_opendir;
  ops.readdir = op_readdir;
  ops.releasedir = op_releasedir;
  ops.unlink = op_unlink;
  ops.rename = op_rename;
  ops.getxattr = op_getxattr;
  ops.listxattr = op_listxattr;
  ops.setxattr = op_setxattr;
  ops.removexattr = op_removexattr;
  ops.statfs = op_statfs;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = make_operations();
  return operations;
}

}  // namespace v2vfs::fs
