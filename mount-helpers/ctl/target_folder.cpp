// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/target_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "inspect/base/error.h"

namespace v2vfs::ctl {
namespace {

namespace stdfs = std::filesystem;

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// False: it is there already.
bool make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return true;
  if (errno != EEXIST) throw errno_error(path);
  return false;
}

/// Another may have removed the folder, and made it again, before it was locked.
bool is_at(const std::string& path, int fd) {
  struct stat named {
  }, locked{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &locked) == 0 &&
         named.st_dev == locked.st_dev && named.st_ino == locked.st_ino;
}

[[noreturn]] void refuse(const std::string& path) {
  throw Error(EEXIST,
              "{} is there already and is not overwritten: remove it, or choose another DEST",
              path);
}

}  // namespace

MadeFolder::MadeFolder(std::string path) : path_(std::move(path)), made_(make_folder(path_)) {}

MadeFolder::~MadeFolder() {
  if (made_) ::rmdir(path_.c_str());  // refused if it has anything in it
}

TargetFolder::TargetFolder(const std::string& destination, const Place& vm,
                           const std::vector<std::string>& disks)
    : path_(destination + "/" + vm.vm), made_(make_folder(path_)) {
  folder_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_) throw errno_error(path_);
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 || !is_at(path_, folder_.get())) {
    throw Error(EBUSY, "{}: another v2vfsctl copies into this folder now", path_);
  }
  for (const std::string& name : disks) check_disk(name);
  // One that was written when only the records were left to remove has one beside it.
  const bool is_ours = !disks.empty() && exists(record(disks[0]));
  if (exists(file("domain.xml")) && !is_ours) refuse(file("domain.xml"));
}

TargetFolder::~TargetFolder() {
  if (made_) ::rmdir(path_.c_str());  // refused if it has anything in it
}

void TargetFolder::check_disk(const std::string& name) const {
  if (exists(record(name))) return;
  if (exists(file(name))) refuse(file(name));
  if (exists(part(name))) refuse(part(name));
}

void TargetFolder::sync() const {
  if (::fsync(folder_.get()) != 0) throw errno_error(path_);
}

void TargetFolder::rename(const std::string& from, const std::string& to) const {
  if (::rename(from.c_str(), to.c_str()) != 0) throw errno_error(to);
}

void TargetFolder::write_text(const std::string& name, const std::string& text) const {
  const std::string temporary = part(name);
  const UniqueFd file_(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file_) throw errno_error(temporary);
  const bool written =
      ::write(file_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || ::fsync(file_.get()) != 0) {
    const int error_number = errno;
    ::unlink(temporary.c_str());
    throw errno_error(error_number, temporary);
  }
  rename(temporary, file(name));
  sync();
}

std::string absolute_destination(const std::string& destination) {
  const stdfs::path given = stdfs::absolute(destination).lexically_normal();
  const stdfs::path path = given.has_filename() ? given : given.parent_path();
  std::error_code error;
  const bool is_there = stdfs::exists(path, error);
  const stdfs::path folder = stdfs::canonical(is_there ? path : path.parent_path(), error);
  if (error) throw errno_error(error.value(), destination);
  const std::string whole = is_there ? folder : folder / path.filename();
  if (is_there && !stdfs::is_directory(folder)) {
    throw Error(EINVAL, "{} is no folder; DEST is one", whole);
  }
  for (const MountEntry& mount : list_mounts()) {
    if ((whole + "/").starts_with(mount.point + "/")) {
      throw Error(EINVAL, "{} lies in the mount itself; choose another DEST", whole);
    }
  }
  return whole;
}

}  // namespace v2vfs::ctl
