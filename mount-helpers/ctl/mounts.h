// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What is mounted here, and what a user's words mean among it.
namespace v2vfs::ctl {

struct MountEntry {
  std::string point;
  std::string source;  // the first one, as the mount table has it
};

/// Those of v2vfs in a text like /proc/self/mountinfo that nothing else is mounted over. Pure.
std::vector<MountEntry> parse_mounts(std::string_view mountinfo);

/// Of this host, without those in which appliances see disks.
std::vector<MountEntry> list_mounts();

/// A mount, or one VM in it.
struct Place {
  std::string mountpoint;
  std::string vm;  // empty: all

  std::string folder() const { return vm.empty() ? mountpoint : mountpoint + "/" + vm; }
};

/// WORD is a path (of a mount point, of a VM's folder, or of anything below it), else the name of a
/// VM that exactly one mount has. Throws Error: ENOENT, or EINVAL for a name that several have.
Place find_place(const std::string& word);

/// The same, of one VM: EINVAL for a mount point with several; a mount with one VM is that VM.
Place find_vm(const std::string& word);

/// The VMs of a place by name.
std::vector<Place> list_vms(const Place& place);

}  // namespace v2vfs::ctl
