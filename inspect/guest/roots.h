// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

enum class RootKind { linux_root, windows_root };

/// A filesystem that holds the root of an operating system.
struct FoundRoot {
  RootKind kind = RootKind::linux_root;
  std::string device;
  std::string subvolume;   // btrfs; empty: the default one
  std::string systemroot;  // Windows: "/Windows" with the case that it has
};

/// Looks into every filesystem (at most kFilesystems, and kSubvolumesTried of a btrfs) for roots,
/// each mounted alone and read-only. Snapshots of btrfs are no roots, unless one is the default
/// subvolume (SUSE after a rollback). At most kRoots. Leaves nothing mounted.
std::vector<FoundRoot> find_roots(GuestReader& reader, const DiskFacts& disks);

/// True: blkid's word is a filesystem's that may be mounted.
bool is_mountable(const std::string& type);

}  // namespace v2vfs::inspect
