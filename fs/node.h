// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What the view is made of, in our own words: no type of libfuse is named here. Everything is
/// thread safe, called from any FUSE thread, and throws Error, whose errno the caller gets.
namespace v2vfs::fs {

using NodeId = std::uint64_t;  // st_ino; never a pointer, never used for two things in one mount

struct Attr {
  NodeId id = 0;
  NodeId shown_id = 0;  // st_ino of several nodes that are one file to a program; 0: id
  mode_t mode = 0;      // with the file type
  uid_t uid = 0;
  gid_t gid = 0;
  nlink_t links = 1;
  std::uint64_t bytes = 0;
  std::uint64_t allocated_bytes = 0;
  timespec modified{};
  blksize_t block_bytes = 4096;
};

/// What a SETATTR asks for; only what is set changes.
struct AttrChange {
  std::optional<mode_t> permissions;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> bytes;
};

/// Who asks. Lives as long as the call.
class Caller {
 public:
  Caller(uid_t uid_, pid_t pid_) : uid(uid_), pid(pid_) {}
  virtual ~Caller() = default;
  /// True once the asking program got a signal: a wait ends with EINTR then.
  virtual bool interrupted() const { return false; }

  uid_t uid;
  pid_t pid;
};

/// Of the flags of open(2).
bool wants_writing(int flags);

/// An open file. The kernel calls nothing more after the destructor.
class Handle {
 public:
  virtual ~Handle() = default;
  /// Returns the bytes read; fewer than asked for only at the end of the file. Throws NotYet
  /// (event.h) where it would have to wait.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> out) = 0;
  /// All or nothing. `sync`: durable before it returns (O_SYNC, O_DSYNC of this very write).
  virtual void write(std::uint64_t offset, std::span<const std::byte> in, bool sync,
                     const Caller& caller);
  virtual void resize(std::uint64_t bytes);
  /// At each close(2); what it throws is what close returns.
  virtual void flush() {}
  virtual void fsync() {}
  virtual void punch(std::uint64_t offset, std::uint64_t length, bool keep_size);
  /// SEEK_DATA or SEEK_HOLE, answered at once: the kernel holds the inode's lock meanwhile.
  virtual std::uint64_t seek(std::uint64_t offset, int whence);
};

enum class XattrMode { any, create, replace };

class Node {
 public:
  explicit Node(NodeId id) : id_(id) {}
  virtual ~Node() = default;
  NodeId id() const { return id_; }

  virtual Attr attr() = 0;
  virtual void change(const AttrChange& change);
  /// Throws NotYet (event.h) where it would have to wait. Nothing but this and Handle::read may,
  /// but for guest/, where every call may.
  virtual std::unique_ptr<Handle> open(int flags, const Caller& caller) = 0;

  virtual std::string readlink();
  virtual std::string xattr(std::string_view name);
  virtual std::vector<std::string> xattr_names() { return {}; }
  virtual void set_xattr(std::string_view name, std::string_view value, XattrMode mode);
  virtual void remove_xattr(std::string_view name);

 private:
  NodeId id_;
};

struct DirEntry {
  std::string name;
  NodeId id = 0;
  bool is_directory = false;
  mode_t type = 0;  // S_IFLNK and the like of what is neither a file nor a folder
};

class Directory : public Node {
 public:
  using Node::Node;
  /// nullptr: there is no such name.
  virtual std::shared_ptr<Node> child(std::string_view name) = 0;
  virtual std::vector<DirEntry> list() = 0;
  virtual std::shared_ptr<Node> create(std::string_view name, mode_t permissions);
  virtual void remove(std::string_view name);
  virtual void rename(std::string_view from, std::string_view to);
  /// The same into `folder`, which may be this one.
  virtual void move(std::string_view from, Directory& folder, std::string_view to,
                    bool may_replace);
  virtual std::shared_ptr<Node> make_directory(std::string_view name, mode_t permissions);
  virtual std::shared_ptr<Node> make_symlink(std::string_view name, std::string_view target);
  virtual void remove_directory(std::string_view name);
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;
};

}  // namespace v2vfs::fs
