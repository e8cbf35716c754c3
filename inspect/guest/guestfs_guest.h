// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_server.h"

namespace v2vfs::inspect {

class GuestfsHandle;

/// A Guest read and written by libguestfs in this process, which therefore belongs to one VM and
/// may be killed at any time. Nothing of the guest is executed but by run_program(); paths resolve
/// in the guest's tree.
class GuestfsGuest : public Guest {
 public:
  /// Starts the appliance; throws GuestGone if it does not come up.
  GuestfsGuest(GuestSettings settings, GuestAlive alive);
  ~GuestfsGuest() override;

  Storage storage() override;
  void unlock(const std::string& device, std::string_view key, const std::string& mapping) override;
  std::vector<BtrfsSubvolume> btrfs_subvolumes(const std::string& device) override;
  std::string read_device(const std::string& device, std::uint64_t offset,
                          std::size_t length) override;
  void mount(const GuestMount& mount) override;
  void unmount_all() override;
  FilesystemSpace space(const std::string& mountpoint) override;
  FileStat stat(const std::string& path) override;
  std::vector<FileEntry> list(const std::string& path) override;
  std::string readlink(const std::string& path) override;
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length) override;
  std::vector<Xattr> xattrs(const std::string& path) override;
  std::optional<std::string> resolve(const std::string& path) override;
  std::optional<std::string> resolve_case(const std::string& path) override;
  std::vector<PackageEntry> rpm_packages(const std::string& root_device) override;
  std::optional<RegistryValue> registry_value(const std::string& hive, const std::string& key,
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
  void set_xattr(const std::string& path, const Xattr& xattr) override;
  void remove_xattr(const std::string& path, const std::string& name) override;
  std::string run_program(const std::vector<std::string>& words) override;
  void sync() override;
  void start_anew() override;
  void finish() override;

 private:
  std::vector<BtrfsSubvolume> listed_subvolumes(const std::string& device);
  void find_snapshots(const std::string& device, std::vector<BtrfsSubvolume>& all);
  std::string mount_options(const GuestMount& mount);
  /// Throws unless a regular file can be made or replaced there.
  void expect_writable_file(const std::string& path);
  /// The key's node in the hive, which is open afterwards; 0: there is none.
  std::int64_t registry_node(const std::string& hive, const std::string& key);
  bool open_hive(const std::string& hive);
  void close_hive();

  const GuestSettings settings_;
  const GuestAlive alive_;
  std::unique_ptr<GuestfsHandle> handle_;
  const bool any_writable_;
  bool mounted_ = false;
  std::string open_hive_;                        // libguestfs has one at a time
  std::map<std::string, std::string> unlocked_;  // /dev/mapper/NAME -> device
};

}  // namespace v2vfs::inspect
