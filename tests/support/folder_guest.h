// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "inspect/guest/guest.h"

namespace v2vfs::test {

/// A Guest whose filesystems are folders of this host, for tests of whoever reads or changes a
/// guest. What a folder cannot say (block layers, packages, registry) is what the test put into
/// `says`.
///
///     FolderGuest guest(folder);                    // one disk /dev/sda, one ext4 on /dev/sda1
///     guest.mount({"/dev/sda1", "/", "", false});
///     FolderGuest other(storage, {{{"/dev/sda1", ""}, folder}, {{"/dev/sda2", "@home"}, home}});
///
/// Symlinks resolve inside the guest's tree, as in the real one; host files outside the folders are
/// never touched.
class FolderGuest : public inspect::Guest {
 public:
  /// (device, btrfs subvolume) -> folder that has its files
  using Folders = std::map<std::pair<std::string, std::string>, std::string>;

  struct Says {
    inspect::Storage storage;
    std::map<std::string, std::string> device_bytes;  // by device; what is missing reads as zeros
    std::map<std::string, std::vector<inspect::BtrfsSubvolume>> subvolumes;  // by device
    std::map<std::string, std::vector<inspect::PackageEntry>> rpm_packages;  // by root device
    struct Key {
      std::vector<std::string> keys;  // names of the keys below it
      std::map<std::string, inspect::RegistryValue> values;
    };
    std::map<std::string, std::map<std::string, Key>> registry;  // hive, key
    /// By device: the right key, and what storage() has more once it is open.
    std::map<std::string, std::pair<std::string, inspect::Storage>> locked;
    std::map<std::string, inspect::FilesystemSpace> space;  // by folder; else 1 GiB, half free
    /// What run_program() does; else it fails.
    std::function<std::string(const std::vector<std::string>&)> program;
    std::function<void()> on_start_anew = [] {};
    std::map<std::string, inspect::FileStat> stats;  // by path: in place of the folder's own
  };

  explicit FolderGuest(std::string root_folder);
  FolderGuest(inspect::Storage storage, Folders folders);

  Says says;

  inspect::Storage storage() override;
  void unlock(const std::string& device, std::string_view key, const std::string& mapping) override;
  std::vector<inspect::BtrfsSubvolume> btrfs_subvolumes(const std::string& device) override;
  std::string read_device(const std::string& device, std::uint64_t offset,
                          std::size_t length) override;
  void mount(const inspect::GuestMount& mount) override;
  void unmount_all() override;
  inspect::FilesystemSpace space(const std::string& folder) override;
  inspect::FileStat stat(const std::string& path) override;
  std::vector<inspect::FileEntry> list(const std::string& path) override;
  std::string readlink(const std::string& path) override;
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length) override;
  std::vector<inspect::Xattr> xattrs(const std::string& path) override;
  std::optional<std::string> resolve(const std::string& path) override;
  std::optional<std::string> resolve_case(const std::string& path) override;
  std::vector<inspect::PackageEntry> rpm_packages(const std::string& root_device) override;
  std::optional<inspect::RegistryValue> registry_value(const std::string& hive,
                                                       const std::string& key,
                                                       const std::string& value) override;
  std::vector<std::string> registry_keys(const std::string& hive, const std::string& key) override;
  void write_file(const std::string& path, std::string_view content) override;
  void append(const std::string& path, std::string_view content) override;
  void truncate(const std::string& path, std::uint64_t bytes) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directory(const std::string& path, std::uint32_t permissions) override;
  void make_symlink(const std::string& target, const std::string& path) override;
  void set_permissions(const std::string& path, std::uint32_t permissions) override;
  void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override;
  void set_xattr(const std::string& path, const inspect::Xattr& xattr) override;
  void remove_xattr(const std::string& path, const std::string& name) override;
  std::string run_program(const std::vector<std::string>& words) override;
  void sync() override {}
  void start_anew() override {
    unmount_all();
    says.on_start_anew();
  }
  void finish() override { unmount_all(); }

 private:
  struct Mounted {
    std::string folder;
    bool writable = false;
  };
  const Mounted& mounted(const std::string& path) const;
  /// A guest's path without symlinks in it, but perhaps the last part, to the host's.
  std::string host_path(const std::string& path) const;
  std::string on_host(const std::string& path) const { return host_path(follow(path, false)); }
  std::string writable_on_host(const std::string& path) const;
  /// Throws ENOENT, ENOTDIR or ELOOP.
  std::string follow(const std::string& path, bool last_too) const;

  Folders folders_;
  std::map<std::string, Mounted> mounts_;  // by mountpoint
};

/// A Storage with one disk /dev/sda of 1 GiB and one partition /dev/sda1 with an ext4 on it.
inspect::Storage one_partition();

}  // namespace v2vfs::test
