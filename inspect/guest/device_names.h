// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/fstab.h"
#include "inspect/guest/guest.h"

namespace v2vfs::inspect {

/// What a guest means by a device's name: fstab's, crypttab's and the kernel command line's words
/// -> BlockDevice::name. Names that only the guest's own kernel gives (sda, hda, by-path) are read
/// as the order of the VM's disks. Not thread safe. The storage has to outlive it.
class DeviceNames {
 public:
  explicit DeviceNames(const Storage& storage) : storage_(storage) {}

  /// What one root says of its own devices; without it names of mappings and arrays are guessed.
  void set_root(std::string device) { root_ = std::move(device); }
  void set_crypttab(std::vector<CrypttabEntry> entries) { crypttab_ = std::move(entries); }
  void set_arrays(std::vector<MdArrayEntry> entries) { arrays_ = std::move(entries); }

  /// nullopt: no device of this machine, or no device at all ("tmpfs", "host:/export").
  std::optional<std::string> resolve(std::string_view spec) const;

  /// "UUID=..." or "PARTUUID=...": a name for the device that no change of bus or controller
  /// touches. nullopt: it has none, or its name is stable anyhow (logical volumes).
  std::optional<std::string> stable_name(const std::string& device) const;

  const BlockDevice* find(std::string_view device) const;

 private:
  std::optional<std::string> by_uuid(std::string_view uuid) const;
  std::optional<std::string> by_label(std::string_view label) const;
  std::optional<std::string> by_partuuid(std::string_view uuid) const;
  std::optional<std::string> by_partlabel(std::string_view label) const;
  std::optional<std::string> by_link(std::string_view link) const;
  std::optional<std::string> by_id(std::string_view id) const;
  std::optional<std::string> by_mapper(std::string_view name) const;
  std::optional<std::string> by_array(std::string_view name) const;
  std::optional<std::string> by_volume(std::string_view name) const;
  std::optional<std::string> by_kernel_name(std::string_view name) const;
  std::optional<std::string> mapping_over(std::string_view container) const;
  std::optional<std::string> array_with_uuid(std::string_view hex) const;
  std::optional<std::string> part_of_hardware_link(std::string_view link) const;
  std::optional<std::string> disk_part(std::size_t disk, unsigned part) const;
  std::vector<std::string> disks() const;

  const Storage& storage_;
  std::string root_;
  std::vector<CrypttabEntry> crypttab_;
  std::vector<MdArrayEntry> arrays_;
  mutable unsigned depth_ = 0;  // crypttab may name mappings of itself, in circles
};

/// A name that changes with the bus, the controller or the order of disks: /dev/sda1, /dev/xvdb,
/// /dev/nvme0n1p2, /dev/disk/by-path/..., by-id of hardware. Pure.
bool is_fragile_device(std::string_view spec);

/// "ata-VMware_...-part2" -> 2; 0: the disk itself.
unsigned part_of_link(std::string_view link);

/// A disk by the name of a kernel ("sdb3" without /dev/): which disk (from 0), which partition (0:
/// the disk). nullopt: no name of a disk.
struct KernelDiskName {
  std::size_t disk = 0;
  unsigned part = 0;
};
std::optional<KernelDiskName> parse_kernel_disk_name(std::string_view name);

}  // namespace v2vfs::inspect
