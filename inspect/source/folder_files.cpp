// SPDX-License-Identifier: MIT
#include "inspect/source/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostNames = 200'000;

/// No RESOLVE_NO_XDEV: a datastore may well have another file system below it.
constexpr std::uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

Error refused(const std::string& path, int error_number) {
  switch (error_number) {
    case ELOOP:
      return Error(EACCES, "\"{}\" is not opened: it is a symbolic link or lies behind one",
                   clean_text(path));
    case EXDEV:
      return Error(EACCES, "\"{}\" is not opened: it lies outside the source folder",
                   clean_text(path));
    case ENXIO:
    case ENODEV:
      return Error(EACCES, "\"{}\" is not opened: it is no regular file", clean_text(path));
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return Error(ENOENT, "\"{}\" is not there", clean_text(path));
    default:
      return errno_error(error_number, fmt::format("\"{}\" cannot be opened", clean_text(path)));
  }
}

mode_t type_of(int folder, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return DTTOIF(entry.d_type);
  struct stat st {};
  if (::fstatat(folder, entry.d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return st.st_mode & S_IFMT;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

SourceRoot::SourceRoot(const std::string& path)
    : path_(path), folder_(::open((path + "/").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  while (path_.ends_with('/')) path_.pop_back();
  if (!folder_) throw errno_error(fmt::format("\"{}\" cannot be opened", clean_text(path)));
}

UniqueFd SourceRoot::open(const std::string& name, int flags) const {
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | flags);
  how.resolve = kResolve;
  long fd = -1;
  do {  // EAGAIN: a rename while ".." safety was checked, to be tried again (openat2(2))
    fd = ::syscall(SYS_openat2, folder_.get(), name.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd < 0) throw refused(path_ + "/" + name, errno);
  return UniqueFd(static_cast<int>(fd));
}

std::vector<SourceRoot::Entry> SourceRoot::entries(const std::string& name,
                                                   std::size_t most) const {
  UniqueFd fd = open(name, O_DIRECTORY);
  const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(fd.get()));
  if (!folder) throw errno_error(clean_text(path_ + "/" + name));
  fd.release();
  std::vector<Entry> found;
  errno = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (found.size() >= most) break;
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    found.push_back({entry->d_name, type_of(::dirfd(folder.get()), *entry)});
    errno = 0;
  }
  if (errno != 0) throw errno_error(clean_text(path_ + "/" + name));
  std::sort(found.begin(), found.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return found;
}

FolderFiles::FolderFiles(std::shared_ptr<const SourceRoot> root, std::string folder)
    : root_(std::move(root)), folder_(std::move(folder)) {}

SourceFile FolderFiles::open(std::string_view name) const {
  const std::string path = folder_ + relative_name(name);
  const std::string shown = root_->path() + "/" + path;
  auto fd = std::make_shared<const UniqueFd>(root_->open(path, 0));
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) throw errno_error(clean_text(shown));
  if (!S_ISREG(st.st_mode)) {
    throw Error(EACCES, "\"{}\" is not opened: it is no regular file", clean_text(shown));
  }
  return SourceFile(std::move(fd), clean_text(shown), 0, static_cast<std::uint64_t>(st.st_size));
}

std::vector<std::string> FolderFiles::names() const {
  std::vector<std::string> found;
  for (SourceRoot::Entry& entry : root_->entries(folder_.empty() ? "." : folder_, kMostNames)) {
    if (S_ISREG(entry.type)) found.push_back(std::move(entry.name));
  }
  return found;
}

std::optional<std::string> FolderFiles::path_of(std::string_view name) const {
  try {
    return root_->path() + "/" + folder_ + relative_name(name);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace v2vfs::inspect
