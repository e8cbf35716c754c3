// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/guest/device_names.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Fills `facts` (root, subvolume and mount_plan are set) from the mounted tree of a Linux guest.
struct LinuxContext {
  const DiskFacts& disks;
  const DeviceNames& names;
  const std::vector<FstabEntry>& fstab;
  bool open_initrds = true;
  bool list_applications = true;
};
void collect_linux(GuestReader& reader, const LinuxContext& context, GuestFacts& facts);

/// Sets facts.filesystems: every filesystem and swap of the disks, with the space of those that are
/// mounted (facts.mountpoints).
void collect_filesystems(GuestReader& reader, const DiskFacts& disks, GuestFacts& facts);

/// SELINUX= and SELINUXTYPE= of /etc/selinux/config, and what the tree shows.
SelinuxFacts find_selinux(GuestReader& reader);

/// True if a swap device holds a saved memory: the kernel (S1SUSPEND), uswsusp, TuxOnIce write
/// their mark over swap's own at the end of the first page (4, 16 or 64 KiB).
bool holds_saved_memory(GuestReader& reader, const std::string& device);

}  // namespace v2vfs::inspect
