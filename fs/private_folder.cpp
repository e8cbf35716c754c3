// SPDX-License-Identifier: MIT
#include "fs/private_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "fs/durable_file.h"
#include "fs/mount_table.h"
#include "fs/options.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;

constexpr const char* kLockFile = "lock";

bool try_lock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

UniqueFd open_lock_file(const std::string& folder) {
  UniqueFd fd(
      ::open((folder + "/" + kLockFile).c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw errno_error("cannot open the lock of " + folder);
  return fd;
}

void check_private(const std::string& root) {
  struct stat st {};
  if (::lstat(root.c_str(), &st) != 0) {
    throw StartError(exit_state, errno_error(root).sentence());
  }
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 022)) {
    throw StartError(exit_state, fmt::format("{} must be a folder that only you can write to "
                                             "(chmod 700); or give another -o state=DIR",
                                             root));
  }
}

/// Takes the folder away with all in it; what is mounted in it first, for nothing below a mount is
/// touched.
void remove_private_folder(const std::string& folder) try {
  const std::string mounted = folder + "/mnt";
  if (is_our_mount(mounted) && !unmount_lazily(mounted)) {
    throw Error(EBUSY, mounted + " cannot be unmounted; try: umount -l " + mounted);
  }
  remove_folder(folder);
} catch (const Error& e) {
  log::warning("{}", e.sentence());
}

/// Left by a daemon that was killed: nobody has its lock. Where there is no lock yet, a daemon is
/// just starting.
void remove_if_left(const std::string& folder) {
  const UniqueFd lock(::open((folder + "/" + kLockFile).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (lock && try_lock(lock.get())) remove_private_folder(folder);
}

}  // namespace

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (stdfs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw errno_error(error.value(), "cannot list " + folder);
  }
  return names;
}

void make_private_root(const std::string& root) {
  std::error_code error;
  stdfs::create_directories(stdfs::path(root).parent_path(), error);
  if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST) {
    throw StartError(exit_state, errno_error("cannot make the state folder " + root).sentence());
  }
  check_private(root);
}

std::vector<std::string> folders_in(const std::string& root) try {
  std::vector<std::string> folders;
  for (const std::string& name : names_in(root)) {
    std::error_code error;
    if (stdfs::is_directory(stdfs::symlink_status(root + "/" + name, error))) {
      folders.push_back(name);
    }
  }
  return folders;
} catch (const Error& e) {
  throw StartError(exit_state, e.sentence());
}

PrivateFolder::PrivateFolder(const std::string& root, const std::string& prefix) {
  make_private_root(root);
  remove_left(root, prefix);
  std::string pattern = root + "/" + prefix + "XXXXXX";
  if (!::mkdtemp(pattern.data())) throw StartError(exit_state, errno_error(pattern).sentence());
  path_ = pattern;
  lock_ = open_lock_file(path_);
  try_lock(lock_.get());
}

void PrivateFolder::remove_left(const std::string& root, const std::string& prefix) {
  for (const std::string& name : folders_in(root)) {
    if (name.starts_with(prefix)) remove_if_left(root + "/" + name);
  }
}

PrivateFolder::~PrivateFolder() { remove_private_folder(path_); }

}  // namespace v2vfs::fs
