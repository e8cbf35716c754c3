// SPDX-License-Identifier: MIT
#include "fs/mount_point.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "fs/mount_table.h"
#include "fs/options.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;

/// The path with the links of its parent resolved; its last component is not touched, for a dead
/// mount answers to nothing.
std::string resolve_parent(const std::string& path) {
  const stdfs::path whole = stdfs::absolute(path).lexically_normal();
  const stdfs::path clean = whole.has_filename() ? whole : whole.parent_path();
  std::error_code error;
  const stdfs::path parent = stdfs::canonical(clean.parent_path(), error);
  if (error) throw StartError(exit_mount, clean.parent_path().string() + ": " + error.message());
  return parent / clean.filename();
}

/// By opening, which asks the daemon: stat(2) may be answered from the kernel's cache for a second
/// after its death.
bool is_dead(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return !folder && errno == ENOTCONN;
}

void replace_dead_mount(const std::string& path) {
  // Opening it would wait for the mount that is being made here.
  if (is_automount(path) || !is_dead(path)) return;
  if (!is_our_mount(path)) {
    throw StartError(exit_mount, path + " is a dead mount, but not one of v2vfs; unmount it first");
  }
  log::warning("{}: the v2vfs that was mounted here is gone; its dead mount is replaced", path);
  if (!unmount_lazily(path) || is_dead(path)) {
    throw StartError(exit_mount,
                     path + " is a dead mount and cannot be unmounted; try: umount -l " + path);
  }
}

}  // namespace

std::string prepare_mountpoint(const std::string& path) {
  replace_dead_mount(resolve_parent(path));
  std::error_code error;
  const std::string absolute = stdfs::canonical(path, error);
  if (error) throw StartError(exit_mount, path + ": " + error.message());
  if (!stdfs::is_directory(absolute, error)) {
    throw StartError(exit_mount, path + " is no folder; a mount point is one");
  }
  if (is_our_mount(absolute)) {
    throw StartError(exit_mount, absolute + " has a v2vfs mounted already; unmount it first");
  }
  return absolute;
}

void check_outside(const std::string& mountpoint, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code error;
    const std::string absolute = stdfs::weakly_canonical(path, error);
    if (absolute == mountpoint || absolute.starts_with(mountpoint + "/")) {
      throw StartError(exit_mount, path + " lies under the mount point " + mountpoint +
                                       ", where the mount would hide it; choose another folder");
    }
  }
}

}  // namespace v2vfs::fs
