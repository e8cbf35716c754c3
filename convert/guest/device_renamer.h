// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "convert/guest/capabilities.h"
#include "inspect/guest/device_names.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::convert {

/// How whoever reads a name wants it.
enum class NameStyle {
  tag,           // UUID=..., PARTUUID=...: mount(8), most initrds
  uuid_tag,      // UUID=... alone: what does not know PARTUUID
  partuuid_tag,  // PARTUUID=... alone: a kernel without an initrd
  link,          // /dev/disk/by-uuid/...: where udev runs but tags are not read
  part_link,     // /dev/disk/by-partuuid/...: of what has no lasting UUID (swap with a random key)
  kernel,        // /dev/vda1
};

/// New names for the names of block devices that another bus or controller changes. Names that
/// last (UUID=, LABEL=, logical volumes, arrays) stay. Not thread safe; what it is made of has to
/// outlive it.
class DeviceRenamer {
 public:
  DeviceRenamer(const inspect::GuestInspection& inspection, const inspect::GuestFacts& guest,
                BlockBus bus);

  /// nullopt: the name stays, because it lasts, or because no disk of the machine is meant.
  std::optional<std::string> rename(std::string_view name, NameStyle style);

  /// The name that the guest's kernel gives to the same disk or partition on the new bus, without
  /// /dev/: "sdb1" or "disk/by-id/x-part1" -> "vdb1"; nullopt: it stays, or no disk is meant.
  std::optional<std::string> kernel_name(std::string_view name) const;

  /// Names that were met and mean no disk of this machine.
  const std::set<std::string>& unknown() const { return unknown_; }
  /// New names that hold for the new bus only ("/dev/vda1").
  const std::set<std::string>& bound_to_bus() const { return bound_; }

 private:
  std::optional<std::string> device_of(std::string_view name) const;
  std::optional<std::string> lasting_name(const std::string& device, NameStyle style) const;
  std::optional<std::string> name_on_bus(const std::string& device) const;
  bool is_only_one(const inspect::BlockDevice& device) const;
  std::string disk_letters(std::size_t disk) const;

  const inspect::Storage& storage_;
  inspect::DeviceNames names_;
  BlockBus bus_;
  std::set<std::string> unknown_;
  std::set<std::string> bound_;
};

}  // namespace v2vfs::convert
