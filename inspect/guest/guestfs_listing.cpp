// SPDX-License-Identifier: MIT
#include "inspect/guest/guestfs_listing.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kNamesBytes = 48 << 20;  // 200,000 names of 240 bytes

/// No file grows beyond kNamesBytes while this lives: a write fails with EFBIG. For files of this
/// process; qemu was started before.
class FileSizeLimit {
 public:
  FileSizeLimit() {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(kNamesBytes, before_.rlim_max);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

std::string content_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw errno_error("a list of names");
  std::string content(static_cast<std::size_t>(st.st_size), '\0');
  for (std::size_t at = 0; at < content.size();) {
    const ssize_t got =
        ::pread(fd, content.data() + at, content.size() - at, static_cast<off_t>(at));
    if (got <= 0) throw errno_error("a list of names");
    at += static_cast<std::size_t>(got);
  }
  return content;
}

/// The names, each with a NUL behind it. They come through a file, whose size libguestfs's protocol
/// does not limit.
std::string names_of(const GuestfsHandle& handle, const std::string& path) {
  const UniqueFd file(::memfd_create("names", MFD_CLOEXEC));
  if (!file) throw errno_error("a list of names");
  const std::string name = fmt::format("/proc/self/fd/{}", file.get());
  const FileSizeLimit limit;
  handle.check(::guestfs_ls0(handle.get(), path.c_str(), name.c_str()), path);
  return content_of(file.get());
}

/// Pointers into `names`, with nullptr behind them.
std::vector<char*> pointers_to(std::string& names, const std::string& path) {
  std::vector<char*> all;
  for (std::size_t at = 0; at < names.size();) {
    char* name = names.data() + at;
    at += std::strlen(name) + 1;
    const std::string_view text = name;
    if (text.empty() || text == "." || text == "..") continue;
    all.push_back(name);
    if (all.size() > kMostElements) {
      throw Error(EOVERFLOW, "{} has more than {} entries", clean_text(path), kMostElements);
    }
  }
  all.push_back(nullptr);
  return all;
}

FileKind kind_of(std::int64_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileKind::directory;
    case S_IFLNK:
      return FileKind::symlink;
    case S_IFBLK:
      return FileKind::block_device;
    case S_IFCHR:
      return FileKind::character_device;
    case S_IFIFO:
      return FileKind::fifo;
    case S_IFSOCK:
      return FileKind::socket;
    default:
      return FileKind::file;
  }
}

/// Fills in the targets of the symlinks among the entries.
void read_links(const GuestfsHandle& handle, const std::string& path,
                std::vector<FileEntry>& entries) {
  std::vector<FileEntry*> links;
  std::vector<char*> names;
  for (FileEntry& entry : entries) {
    if (entry.stat.kind != FileKind::symlink) continue;
    links.push_back(&entry);
    names.push_back(entry.name.data());
  }
  if (links.empty()) return;
  names.push_back(nullptr);
  std::vector<std::string> targets = take_list(
      handle.check_pointer(::guestfs_readlinklist(handle.get(), path.c_str(), names.data()), path));
  for (std::size_t i = 0; i < links.size() && i < targets.size(); ++i) {
    links[i]->target = std::move(targets[i]);
  }
}

}  // namespace

FileStat to_file_stat(const struct guestfs_statns& st) {
  FileStat stat;
  stat.kind = kind_of(st.st_mode);
  stat.permissions = static_cast<std::uint32_t>(st.st_mode & 07777);
  stat.uid = static_cast<std::uint32_t>(st.st_uid);
  stat.gid = static_cast<std::uint32_t>(st.st_gid);
  stat.links = static_cast<std::uint64_t>(st.st_nlink);
  stat.inode = static_cast<std::uint64_t>(st.st_ino);
  stat.device = static_cast<std::uint64_t>(st.st_dev);
  stat.rdev = static_cast<std::uint64_t>(st.st_rdev);
  stat.bytes = static_cast<std::uint64_t>(st.st_size);
  stat.allocated_bytes = static_cast<std::uint64_t>(st.st_blocks) * 512;
  // Times of a guest may be anything: what does not fit wraps.
  stat.modified_ns =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(st.st_mtime_sec) * 1'000'000'000U +
                                static_cast<std::uint64_t>(st.st_mtime_nsec));
  return stat;
}

std::vector<FileEntry> list_folder(const GuestfsHandle& handle, const std::string& path) {
  std::string bytes = names_of(handle, path);
  std::vector<char*> names = pointers_to(bytes, path);
  if (names.size() == 1) return {};
  const std::unique_ptr<guestfs_statns_list, decltype(&::guestfs_free_statns_list)> stats(
      handle.check_pointer(::guestfs_lstatnslist(handle.get(), path.c_str(), names.data()), path),
      ::guestfs_free_statns_list);
  std::vector<FileEntry> entries;
  for (std::uint32_t i = 0; i < stats->len && names[i]; ++i) {
    if (stats->val[i].st_ino == -1) continue;  // it could not be looked at
    entries.push_back({names[i], to_file_stat(stats->val[i]), ""});
  }
  read_links(handle, path, entries);
  return entries;
}

}  // namespace v2vfs::inspect
