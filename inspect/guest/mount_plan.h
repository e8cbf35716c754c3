// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/guest/device_names.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

struct MountPlan {
  std::vector<MountpointFacts> mountpoints;  // what fstab lists of this machine's devices
  std::vector<GuestMount> mounts;            // what makes the tree, shortest path first
};

/// How a Linux root's tree is put together: the root itself, then what its fstab mounts on it at
/// boot (not noauto, not bind, not swap) from devices of this machine; on a doubled mountpoint the
/// last line wins, as the last mount covers the others. At most kMountpoints. Pure.
MountPlan plan_mounts(const std::string& root_device, const std::string& root_subvolume,
                      const std::vector<FstabEntry>& fstab, const DeviceNames& names,
                      const DiskFacts& disks);

}  // namespace v2vfs::inspect
