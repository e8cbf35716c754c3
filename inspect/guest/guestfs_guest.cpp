// SPDX-License-Identifier: MIT
#include "inspect/guest/guestfs_guest.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guestfs_handle.h"
#include "inspect/guest/guestfs_listing.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostBytes = 4 << 20;   // of one read, as guest.h says
constexpr std::size_t kPieceBytes = 2 << 20;  // libguestfs's messages end at 4 MiB

/// libguestfs takes C strings.
const char* c_path(const std::string& path) {
  if (!path.starts_with('/') || path.find('\0') != std::string::npos) {
    throw Error(EINVAL, "{} is no path of a guest", clean_text(path));
  }
  return path.c_str();
}

const char* c_text(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw Error(EINVAL, "a name with a NUL in it");
  return text.c_str();
}

/// Reads in pieces that fit into libguestfs's messages. `piece(offset, count, size)` is one of its
/// preads.
template <typename Piece>
std::string read_pieces(const GuestfsHandle& handle, const std::string& what, std::uint64_t offset,
                        std::size_t length, const Piece& piece) {
  length = std::min(length, kMostBytes);
  if (offset > INT64_MAX - length) throw Error(EINVAL, "{}: too far", clean_text(what));
  std::string bytes;
  while (bytes.size() < length) {
    const std::size_t want = std::min(kPieceBytes, length - bytes.size());
    std::size_t got = 0;
    const GuestfsText text(handle.check_pointer(
        piece(static_cast<std::int64_t>(offset + bytes.size()), static_cast<int>(want), &got),
        what));
    bytes.append(text.get(), std::min(got, want));
    if (got < want) break;
  }
  return bytes;
}

}  // namespace

GuestfsGuest::GuestfsGuest(GuestSettings settings, GuestAlive alive)
    : settings_(std::move(settings)),
      alive_(std::move(alive)),
      handle_(std::make_unique<GuestfsHandle>(settings_, alive_)),
      any_writable_(std::any_of(settings_.disks.begin(), settings_.disks.end(),
                                [](const GuestDisk& disk) { return disk.writable; })) {}

GuestfsGuest::~GuestfsGuest() = default;

std::string GuestfsGuest::read_device(const std::string& device, std::uint64_t offset,
                                      std::size_t length) {
  return read_pieces(
      *handle_, device, offset, length, [&](std::int64_t at, int count, std::size_t* got) {
        return ::guestfs_pread_device(handle_->get(), c_path(device), count, at, got);
      });
}

std::string GuestfsGuest::mount_options(const GuestMount& mount) {
  if (mount.writable && !any_writable_) {
    throw Error(EROFS, "{}: the disks were given read-only", clean_text(mount.device));
  }
  std::string options = mount.writable ? "rw" : "ro";
  const GuestfsText found(::guestfs_vfs_type(handle_->get(), c_path(mount.device)));
  const std::string type = found ? found.get() : "";
  if (!mount.writable && any_writable_) {  // a log would be replayed into the disk itself
    if (type == "ext3" || type == "ext4") options += ",noload";
    if (type == "xfs") options += ",norecovery";
    if (type == "btrfs") options += ",nologreplay";
  }
  if (mount.subvolume.empty()) return options;
  for (const BtrfsSubvolume& subvolume : listed_subvolumes(mount.device)) {
    // By number: a path may have a comma in it.
    if (subvolume.path == mount.subvolume)
      return fmt::format("{},subvolid={}", options, subvolume.id);
  }
  throw Error(ENOENT, "{} has no subvolume {}", clean_text(mount.device),
              clean_text(mount.subvolume));
}

void GuestfsGuest::mount(const GuestMount& mount) {
  // mount(8) would follow the guest's symlinks in the appliance's own tree.
  std::string point = mount.mountpoint;
  if (point != "/") {
    const std::optional<std::string> real = resolve(point);
    if (!real) throw Error(ENOENT, "{} is not in the guest", clean_text(point));
    if (stat(*real).kind != FileKind::directory) {
      throw Error(ENOTDIR, "{} is no folder of the guest", clean_text(point));
    }
    point = *real;
  }
  const std::string options = mount_options(mount);
  handle_->check(
      ::guestfs_mount_options(handle_->get(), options.c_str(), c_path(mount.device), c_path(point)),
      mount.device);
  mounted_ = true;
}

void GuestfsGuest::unmount_all() {
  close_hive();
  handle_->check(::guestfs_umount_all(handle_->get()), "unmounting the guest");
  mounted_ = false;
}

FilesystemSpace GuestfsGuest::space(const std::string& mountpoint) {
  const auto free_it = [](struct guestfs_statvfs* s) { ::guestfs_free_statvfs(s); };
  const std::unique_ptr<struct guestfs_statvfs, decltype(free_it)> found(
      handle_->check_pointer(::guestfs_statvfs(handle_->get(), c_path(mountpoint)), mountpoint),
      free_it);
  const auto unit = static_cast<std::uint64_t>(found->frsize > 0 ? found->frsize : found->bsize);
  FilesystemSpace space;
  space.bytes = static_cast<std::uint64_t>(found->blocks) * unit;
  space.free_bytes = static_cast<std::uint64_t>(found->bavail) * unit;
  space.files = static_cast<std::uint64_t>(found->files);
  space.free_files = static_cast<std::uint64_t>(found->favail);
  return space;
}

FileStat GuestfsGuest::stat(const std::string& path) {
  const std::unique_ptr<struct guestfs_statns, decltype(&::guestfs_free_statns)> found(
      handle_->check_pointer(::guestfs_lstatns(handle_->get(), c_path(path)), path),
      ::guestfs_free_statns);
  return to_file_stat(*found);
}

std::vector<FileEntry> GuestfsGuest::list(const std::string& path) {
  if (stat(path).kind != FileKind::directory) {
    throw Error(ENOTDIR, "{} is no folder of the guest", clean_text(path));
  }
  return list_folder(*handle_, path);
}

std::string GuestfsGuest::readlink(const std::string& path) {
  return GuestfsText(handle_->check_pointer(::guestfs_readlink(handle_->get(), c_path(path)), path))
      .get();
}

std::string GuestfsGuest::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  if (stat(path).kind != FileKind::file) {
    throw Error(EINVAL, "{} is no regular file of the guest", clean_text(path));
  }
  return read_pieces(*handle_, path, offset, length,
                     [&](std::int64_t at, int count, std::size_t* got) {
                       return ::guestfs_pread(handle_->get(), path.c_str(), count, at, got);
                     });
}

std::vector<Xattr> GuestfsGuest::xattrs(const std::string& path) {
  const std::unique_ptr<guestfs_xattr_list, decltype(&::guestfs_free_xattr_list)> found(
      ::guestfs_lgetxattrs(handle_->get(), c_path(path)), ::guestfs_free_xattr_list);
  if (!found && handle_->last_errno() == EOPNOTSUPP) return {};
  handle_->check_pointer(found.get(), path);
  std::vector<Xattr> all;
  for (std::uint32_t i = 0; i < found->len; ++i) {
    const guestfs_xattr& xattr = found->val[i];
    all.push_back({xattr.attrname, std::string(xattr.attrval, xattr.attrval_len)});
  }
  return all;
}

std::optional<std::string> GuestfsGuest::resolve(const std::string& path) {
  const GuestfsText real(::guestfs_realpath(handle_->get(), c_path(path)));
  if (real) return real.get();
  const int number = handle_->last_errno();
  if (number == ENOENT || number == ENOTDIR || number == ELOOP) return std::nullopt;
  handle_->fail(path);
}

std::optional<std::string> GuestfsGuest::resolve_case(const std::string& path) {
  const GuestfsText real(::guestfs_case_sensitive_path(handle_->get(), c_path(path)));
  if (!real) {
    handle_->forgive();
    return std::nullopt;
  }
  // A last part that does not exist comes back as it was given.
  const int there = handle_->check(::guestfs_exists(handle_->get(), real.get()), path);
  return there ? std::optional<std::string>(real.get()) : std::nullopt;
}

void GuestfsGuest::expect_writable_file(const std::string& path) {
  try {
    const FileKind kind = stat(path).kind;
    if (kind == FileKind::symlink) throw Error(ELOOP, "{} is a symlink", clean_text(path));
    if (kind != FileKind::file) throw Error(EINVAL, "{} is no regular file", clean_text(path));
  } catch (const GuestGone&) {
    throw;
  } catch (const Error& e) {
    if (e.error_number() != ENOENT) throw;
  }
}

void GuestfsGuest::write_file(const std::string& path, std::string_view content) {
  expect_writable_file(path);
  handle_->check(::guestfs_write(handle_->get(), path.c_str(), content.data(), content.size()),
                 path);
}

void GuestfsGuest::append(const std::string& path, std::string_view content) {
  expect_writable_file(path);
  handle_->check(
      ::guestfs_write_append(handle_->get(), path.c_str(), content.data(), content.size()), path);
}

void GuestfsGuest::truncate(const std::string& path, std::uint64_t bytes) {
  const FileStat there = stat(path);
  if (there.kind != FileKind::file || there.bytes < bytes) {
    throw Error(EINVAL, "{} is no regular file, or is shorter", clean_text(path));
  }
  handle_->check(
      ::guestfs_truncate_size(handle_->get(), path.c_str(), static_cast<std::int64_t>(bytes)),
      path);
}

void GuestfsGuest::rename(const std::string& from, const std::string& to) {
  handle_->check(::guestfs_rename(handle_->get(), c_path(from), c_path(to)), from);
}

void GuestfsGuest::remove(const std::string& path) {
  const bool folder = stat(path).kind == FileKind::directory;
  handle_->check((folder ? ::guestfs_rmdir : ::guestfs_rm)(handle_->get(), path.c_str()), path);
}

void GuestfsGuest::make_directory(const std::string& path, std::uint32_t permissions) {
  handle_->check(::guestfs_mkdir(handle_->get(), c_path(path)), path);
  set_permissions(path, permissions);
}

void GuestfsGuest::make_symlink(const std::string& target, const std::string& path) {
  handle_->check(::guestfs_ln_s(handle_->get(), c_text(target), c_path(path)), path);
}

void GuestfsGuest::set_permissions(const std::string& path, std::uint32_t permissions) {
  if (stat(path).kind == FileKind::symlink) {
    throw Error(EOPNOTSUPP, "{} is a symlink: it has no permissions", clean_text(path));
  }
  handle_->check(
      ::guestfs_chmod(handle_->get(), static_cast<int>(permissions & 07777), path.c_str()), path);
}

void GuestfsGuest::set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  handle_->check(
      ::guestfs_lchown(handle_->get(), static_cast<int>(uid), static_cast<int>(gid), c_path(path)),
      path);
}

/// libguestfs sends the value as a C string with a length: behind a NUL there would be whatever the
/// daemon's memory holds. One at the end is there anyway.
void GuestfsGuest::set_xattr(const std::string& path, const Xattr& xattr) {
  if (!xattr.value.empty() && xattr.value.find('\0') < xattr.value.size() - 1) {
    throw Error(EOPNOTSUPP, "{}: the attribute {} is binary and cannot be given to another file",
                clean_text(path), clean_text(xattr.name));
  }
  handle_->check(::guestfs_lsetxattr(handle_->get(), c_text(xattr.name), xattr.value.data(),
                                     static_cast<int>(xattr.value.size()), c_path(path)),
                 path);
}

void GuestfsGuest::remove_xattr(const std::string& path, const std::string& name) {
  handle_->check(::guestfs_lremovexattr(handle_->get(), c_text(name), c_path(path)), path);
}

void GuestfsGuest::sync() {
  handle_->check(::guestfs_sync(handle_->get()), "writing to the guest");
}

void GuestfsGuest::start_anew() {
  try {
    finish();
    unlocked_.clear();
    handle_.reset();
    handle_ = std::make_unique<GuestfsHandle>(settings_, alive_);
  } catch (const GuestGone&) {
    throw;
  } catch (const Error& e) {
    throw GuestGone(e.error_number(), e.sentence());
  }
}

void GuestfsGuest::finish() {
  close_hive();
  handle_->shut_down();
  mounted_ = false;
}

}  // namespace v2vfs::inspect
