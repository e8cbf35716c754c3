// SPDX-License-Identifier: MIT
#include "tests/support/folder_guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <deque>
#include <memory>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::test {

using namespace inspect;

namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr int kMostLinks = 40;
constexpr std::size_t kMostBytes = 4 << 20;

[[noreturn]] void fail(int error, const std::string& path) {
  throw errno_error(error, clean_text(path));
}

void check(int result, const std::string& path) {
  if (result < 0) fail(errno, path);
}

std::deque<std::string> parts_of(const std::string& path) {
  std::deque<std::string> parts;
  std::size_t from = 0;
  while (from <= path.size()) {
    const std::size_t to = std::min(path.find('/', from), path.size());
    if (to > from) parts.push_back(path.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string below(const std::string& folder, const std::string& name) {
  return folder == "/" ? folder + name : folder + "/" + name;
}

std::optional<std::string> link_target(const std::string& host) {
  char target[PATH_MAX];
  const ssize_t bytes = ::readlink(host.c_str(), target, sizeof target);
  if (bytes < 0) return std::nullopt;
  return std::string(target, static_cast<std::size_t>(bytes));
}

FileKind kind_of(mode_t mode) {
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

FileStat to_stat(const struct stat& st) {
  FileStat stat;
  stat.kind = kind_of(st.st_mode);
  stat.permissions = st.st_mode & 07777;
  stat.uid = st.st_uid;
  stat.gid = st.st_gid;
  stat.links = st.st_nlink;
  stat.inode = st.st_ino;
  stat.device = st.st_dev;
  stat.rdev = st.st_rdev;
  stat.bytes = static_cast<std::uint64_t>(st.st_size);
  stat.allocated_bytes = static_cast<std::uint64_t>(st.st_blocks) * 512;
  stat.modified_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  return stat;
}

FileStat host_stat(const std::string& host, const std::string& path) {
  struct stat st {};
  check(::lstat(host.c_str(), &st), path);
  return to_stat(st);
}

void write_to(const std::string& host, std::string_view content, int flags) {
  const UniqueFd fd(
      ::open(host.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0644));
  check(fd.get(), host);
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    fail(EIO, host);
  }
}

template <typename Map>
auto find_ignoring_case(Map& map, const std::string& name) {
  return std::find_if(map.begin(), map.end(),
                      [&](const auto& entry) { return equals_ignoring_case(entry.first, name); });
}

void add_all(Storage& to, const Storage& more) {
  to.devices.insert(to.devices.end(), more.devices.begin(), more.devices.end());
  to.tables.insert(to.tables.end(), more.tables.begin(), more.tables.end());
  to.partitions.insert(to.partitions.end(), more.partitions.begin(), more.partitions.end());
  to.volumes.insert(to.volumes.end(), more.volumes.begin(), more.volumes.end());
}

}  // namespace

Storage one_partition() {
  Storage storage;
  storage.devices.push_back({"/dev/sda", BlockKind::disk, {}, kGiB, "", "", ""});
  storage.devices.push_back({"/dev/sda1",
                             BlockKind::partition,
                             {"/dev/sda"},
                             kGiB - (1 << 20),
                             "ext4",
                             "11111111-2222-3333-4444-555555555555",
                             ""});
  storage.tables.push_back({"/dev/sda", 0, "msdos", "deadbeef"});
  PartitionEntry entry;
  entry.device = "/dev/sda1";
  entry.disk = "/dev/sda";
  entry.number = 1;
  entry.start_bytes = 1 << 20;
  entry.bytes = kGiB - (1 << 20);
  entry.mbr_id = 0x83;
  entry.partuuid = "deadbeef-01";
  storage.partitions.push_back(entry);
  return storage;
}

FolderGuest::FolderGuest(std::string root_folder)
    : FolderGuest(one_partition(), {{{"/dev/sda1", ""}, std::move(root_folder)}}) {}

FolderGuest::FolderGuest(Storage storage, Folders folders) : folders_(std::move(folders)) {
  says.storage = std::move(storage);
}

Storage FolderGuest::storage() { return says.storage; }

void FolderGuest::unlock(const std::string& device, std::string_view key, const std::string&) {
  const auto it = says.locked.find(device);
  if (it == says.locked.end()) fail(EINVAL, device);
  if (it->second.first != key) fail(EACCES, device);
  add_all(says.storage, it->second.second);
  says.locked.erase(it);
}

std::vector<BtrfsSubvolume> FolderGuest::btrfs_subvolumes(const std::string& device) {
  return says.subvolumes[device];
}

std::string FolderGuest::read_device(const std::string& device, std::uint64_t offset,
                                     std::size_t length) {
  const auto it = std::find_if(says.storage.devices.begin(), says.storage.devices.end(),
                               [&](const BlockDevice& d) { return d.name == device; });
  if (it == says.storage.devices.end()) fail(ENOENT, device);
  if (offset >= it->bytes) return "";
  std::string bytes(std::min<std::uint64_t>({length, kMostBytes, it->bytes - offset}), '\0');
  const std::string& known = says.device_bytes[device];
  if (offset < known.size()) {
    const std::string there = known.substr(offset, bytes.size());
    bytes.replace(0, there.size(), there);
  }
  return bytes;
}

void FolderGuest::mount(const GuestMount& mount) {
  const auto it = folders_.find({mount.device, mount.subvolume});
  if (it == folders_.end()) fail(EINVAL, mount.device);
  const std::string point = mount.mountpoint == "/" ? "/" : follow(mount.mountpoint, true);
  if (point != "/" && stat(point).kind != FileKind::directory) fail(ENOTDIR, point);
  mounts_[point] = {it->second, mount.writable};
}

void FolderGuest::unmount_all() { mounts_.clear(); }

FilesystemSpace FolderGuest::space(const std::string& folder) {
  mounted(folder);
  const auto it = says.space.find(folder);
  return it == says.space.end() ? FilesystemSpace{kGiB, kGiB / 2, 65'536, 60'000} : it->second;
}

FileStat FolderGuest::stat(const std::string& path) {
  const std::string real = follow(path, false);
  if (const auto it = says.stats.find(real); it != says.stats.end()) return it->second;
  return host_stat(host_path(real), path);
}

std::vector<FileEntry> FolderGuest::list(const std::string& path) {
  const std::string real = follow(path, false);
  const std::string host = host_path(real);
  if (host_stat(host, path).kind != FileKind::directory) fail(ENOTDIR, path);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(host.c_str()), ::closedir);
  if (!dir) fail(errno, path);
  std::vector<FileEntry> entries;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const FileStat stat = this->stat(below(real, name));
    entries.push_back({name, stat, link_target(host_path(below(real, name))).value_or("")});
  }
  std::sort(entries.begin(), entries.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return entries;
}

std::string FolderGuest::readlink(const std::string& path) {
  const std::optional<std::string> target = link_target(on_host(path));
  if (!target) fail(errno, path);
  return *target;
}

std::string FolderGuest::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  if (stat(path).kind != FileKind::file) fail(EINVAL, path);
  const UniqueFd fd(::open(on_host(path).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  check(fd.get(), path);
  std::string bytes(std::min(length, kMostBytes), '\0');
  const ssize_t got = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  check(static_cast<int>(got), path);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

std::vector<Xattr> FolderGuest::xattrs(const std::string& path) {
  const std::string host = on_host(path);
  std::string names(65'536, '\0');
  const ssize_t size = ::llistxattr(host.c_str(), names.data(), names.size());
  if (size < 0 && errno == EOPNOTSUPP) return {};
  check(static_cast<int>(size), path);
  std::vector<Xattr> all;
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(65'536, '\0');
    const ssize_t got = ::lgetxattr(host.c_str(), name.c_str(), value.data(), value.size());
    if (got >= 0) all.push_back({name, value.substr(0, static_cast<std::size_t>(got))});
  }
  return all;
}

std::optional<std::string> FolderGuest::resolve(const std::string& path) {
  try {
    const std::string real = follow(path, true);
    host_stat(host_path(real), real);
    return real;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::string> FolderGuest::resolve_case(const std::string& path) {
  std::string at = "/";
  for (const std::string& part : parts_of(path)) {
    std::optional<std::string> found;
    const std::optional<std::string> folder = resolve(at);
    if (!folder || stat(*folder).kind != FileKind::directory) return std::nullopt;
    for (const FileEntry& entry : list(*folder)) {
      if (entry.name == part || (!found && equals_ignoring_case(entry.name, part))) {
        found = entry.name;
      }
    }
    if (!found) return std::nullopt;
    at = below(at, *found);
  }
  return at;
}

std::vector<PackageEntry> FolderGuest::rpm_packages(const std::string& root_device) {
  return says.rpm_packages[root_device];
}

std::optional<RegistryValue> FolderGuest::registry_value(const std::string& hive,
                                                         const std::string& key,
                                                         const std::string& value) {
  const auto file = find_ignoring_case(says.registry, hive);
  if (file == says.registry.end()) return std::nullopt;
  const auto node = find_ignoring_case(file->second, key);
  if (node == file->second.end()) return std::nullopt;
  const auto found = find_ignoring_case(node->second.values, value);
  if (found == node->second.values.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> FolderGuest::registry_keys(const std::string& hive,
                                                    const std::string& key) {
  const auto file = find_ignoring_case(says.registry, hive);
  if (file == says.registry.end()) return {};
  const auto node = find_ignoring_case(file->second, key);
  return node == file->second.end() ? std::vector<std::string>() : node->second.keys;
}

void FolderGuest::write_file(const std::string& path, std::string_view content) {
  write_to(writable_on_host(path), content, O_TRUNC);
}

void FolderGuest::append(const std::string& path, std::string_view content) {
  write_to(writable_on_host(path), content, O_APPEND);
}

void FolderGuest::truncate(const std::string& path, std::uint64_t bytes) {
  const std::string host = writable_on_host(path);
  const FileStat there = host_stat(host, path);
  if (there.kind != FileKind::file || there.bytes < bytes) fail(EINVAL, path);
  check(::truncate(host.c_str(), static_cast<off_t>(bytes)), path);
}

void FolderGuest::rename(const std::string& from, const std::string& to) {
  check(::rename(writable_on_host(from).c_str(), writable_on_host(to).c_str()), from);
}

void FolderGuest::remove(const std::string& path) {
  check(::remove(writable_on_host(path).c_str()), path);
}

void FolderGuest::make_directory(const std::string& path, std::uint32_t permissions) {
  const std::string host = writable_on_host(path);
  check(::mkdir(host.c_str(), 0700), path);
  check(::chmod(host.c_str(), permissions), path);
}

void FolderGuest::make_symlink(const std::string& target, const std::string& path) {
  check(::symlink(target.c_str(), writable_on_host(path).c_str()), path);
}

void FolderGuest::set_permissions(const std::string& path, std::uint32_t permissions) {
  const std::string host = writable_on_host(path);
  if (host_stat(host, path).kind == FileKind::symlink) fail(EOPNOTSUPP, path);
  check(::chmod(host.c_str(), permissions), path);
}

void FolderGuest::set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  check(::lchown(writable_on_host(path).c_str(), uid, gid), path);
}

void FolderGuest::set_xattr(const std::string& path, const Xattr& xattr) {
  check(::lsetxattr(writable_on_host(path).c_str(), xattr.name.c_str(), xattr.value.data(),
                    xattr.value.size(), 0),
        path);
}

void FolderGuest::remove_xattr(const std::string& path, const std::string& name) {
  check(::lremovexattr(writable_on_host(path).c_str(), name.c_str()), path);
}

std::string FolderGuest::run_program(const std::vector<std::string>& words) {
  if (!says.program) throw Error(EIO, "{}: command not found", words.front());
  return says.program(words);
}

const FolderGuest::Mounted& FolderGuest::mounted(const std::string& path) const {
  for (std::string point = path;; point = parent_of(point)) {
    if (const auto it = mounts_.find(point); it != mounts_.end()) return it->second;
    if (point == "/") fail(ENOENT, path);  // nothing is mounted
  }
}

std::string FolderGuest::host_path(const std::string& path) const {
  for (std::string point = path;; point = parent_of(point)) {
    if (const auto it = mounts_.find(point); it != mounts_.end()) {
      return it->second.folder + "/" + path.substr(point == "/" ? 1 : point.size());
    }
    if (point == "/") fail(ENOENT, path);
  }
}

std::string FolderGuest::writable_on_host(const std::string& path) const {
  const std::string real = follow(path, false);
  if (!mounted(real).writable) fail(EROFS, path);
  return host_path(real);
}

std::string FolderGuest::follow(const std::string& path, bool last_too) const {
  if (!path.starts_with('/') || path.find('\0') != std::string::npos) fail(EINVAL, path);
  std::deque<std::string> todo = parts_of(path);
  std::string at = "/";
  int links = 0;
  while (!todo.empty()) {
    const std::string part = todo.front();
    todo.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      at = parent_of(at);
      continue;
    }
    const std::string next = below(at, part);
    const std::optional<std::string> target =
        todo.empty() && !last_too ? std::nullopt : link_target(host_path(next));
    if (!target) {
      if (!todo.empty()) {
        struct stat st {};
        check(::lstat(host_path(next).c_str(), &st), path);
        if (!S_ISDIR(st.st_mode)) fail(ENOTDIR, path);
      }
      at = next;
      continue;
    }
    if (++links > kMostLinks) fail(ELOOP, path);
    std::deque<std::string> inner = parts_of(*target);
    todo.insert(todo.begin(), inner.begin(), inner.end());
    if (target->starts_with('/')) at = "/";
  }
  return at;
}

}  // namespace v2vfs::test
