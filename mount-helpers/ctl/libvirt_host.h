// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

/// What commands do with libvirt. All throw Error with libvirt's own words.
namespace v2vfs::ctl {

class LibvirtDomain {
 public:
  struct Handle;
  explicit LibvirtDomain(std::shared_ptr<Handle> handle) : handle_(std::move(handle)) {}

  std::string name() const;
  bool is_active() const;
  bool is_persistent() const;
  bool has_saved_memory() const;
  /// As it runs now, or as it will be started the next time.
  std::string running_xml() const;
  std::string saved_xml() const;

  void start();
  /// With its UEFI variables, as `virsh undefine --nvram`.
  void undefine();

  /// Begins to copy a disk of the running domain into a new qcow2 and to keep both the same.
  void start_copy(const std::string& target, const std::string& file);
  struct CopyState {
    std::uint64_t done_bytes = 0, total_bytes = 0;
    bool both_are_same = false;
  };
  /// nullopt: no copying goes on, it failed.
  std::optional<CopyState> copy_state(const std::string& target) const;
  /// From now on the domain runs on the copy. False: not yet, try again.
  bool pivot(const std::string& target);
  /// Forgets the copy; the domain stays where it is.
  void stop_copy(const std::string& target) noexcept;

 private:
  std::shared_ptr<Handle> handle_;
};

class LibvirtHost {
 public:
  /// An empty URI is libvirt's default, as for virsh.
  explicit LibvirtHost(const std::string& uri);

  std::optional<LibvirtDomain> find(const std::string& uuid) const;
  LibvirtDomain define(const std::string& xml) const;

 private:
  struct Connection;
  std::shared_ptr<Connection> connection_;
};

}  // namespace v2vfs::ctl
