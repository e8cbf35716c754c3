// SPDX-License-Identifier: MIT
#include "fs/node.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fs/node_space.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {

bool wants_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

void Handle::write(std::uint64_t, std::span<const std::byte>, bool, const Caller&) {
  throw Error(EBADF, "the file is not open for writing");
}

void Handle::resize(std::uint64_t) { throw Error(EPERM, "the size of this file is computed"); }

void Handle::punch(std::uint64_t, std::uint64_t, bool) {
  throw Error(EOPNOTSUPP, "only a disk has holes to punch");
}

std::uint64_t Handle::seek(std::uint64_t, int) {
  throw Error(EINVAL, "only a disk knows data and holes");
}

void Node::change(const AttrChange&) { throw Error(EPERM, "this file's attributes are computed"); }

std::string Node::readlink() { throw Error(EINVAL, "this is no symbolic link"); }

std::string Node::xattr(std::string_view) { throw Error(ENODATA, "there is no such attribute"); }

void Node::set_xattr(std::string_view, std::string_view, XattrMode) {
  throw Error(EOPNOTSUPP, "only disks keep extended attributes");
}

void Node::remove_xattr(std::string_view) { throw Error(ENODATA, "there is no such attribute"); }

std::shared_ptr<Node> Directory::create(std::string_view, mode_t) {
  throw Error(EACCES, "files cannot be added here; SEMANTICS.md says what may be written");
}

void Directory::remove(std::string_view) {
  throw Error(EACCES, "this file is part of the view and cannot be removed");
}

void Directory::rename(std::string_view, std::string_view) {
  throw Error(EACCES, "this file is part of the view and cannot be renamed");
}

void Directory::move(std::string_view from, Directory& folder, std::string_view to,
                     bool may_replace) {
  if (&folder != this) throw Error(EXDEV, "files stay in their VM's folder");
  if (!may_replace) throw Error(EINVAL, "rename takes no flags here");
  rename(from, to);
}

std::shared_ptr<Node> Directory::make_directory(std::string_view, mode_t) {
  throw Error(EACCES, "folders cannot be added here");
}

std::shared_ptr<Node> Directory::make_symlink(std::string_view, std::string_view) {
  throw Error(EACCES, "links cannot be added here");
}

void Directory::remove_directory(std::string_view) {
  throw Error(EACCES, "this folder is part of the view and cannot be removed");
}

std::unique_ptr<Handle> Directory::open(int, const Caller&) {
  throw Error(EISDIR, "this is a directory");
}

std::shared_ptr<Directory> NodeSpace::directory(NodeId id) const {
  auto folder = std::dynamic_pointer_cast<Directory>(node(id));
  if (!folder) throw Error(ENOTDIR, "this is no directory");
  return folder;
}

}  // namespace v2vfs::fs
