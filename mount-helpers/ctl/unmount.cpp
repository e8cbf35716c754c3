// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/unmount.h"

#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "inspect/base/error.h"
#include "inspect/base/unmount.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/mounts.h"
#include "mount-helpers/ctl/processes.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {
namespace {

/// "/mnt/vapp/web/disk.qcow2 by qemu-system-x86 (1234)": what the daemon knows; then who else is
/// there.
std::string holders_of(const std::string& point) {
  std::string text;
  std::vector<pid_t> named;
  const auto add = [&](const std::string& line) { text += "\n  " + line; };
  try {
    for (const VmStatus& vm : read_mount_status(point).vms) {
      for (const DiskStatus& disk : vm.disks) {
        for (const bool writes : {true, false}) {
          for (const pid_t pid : writes ? disk.writers : disk.readers) {
            add(fmt::format("{}/{} is {} by {}", vm.name, disk.file, writes ? "written" : "read",
                            process_text(pid)));
            named.push_back(pid);
          }
        }
      }
    }
  } catch (const Error&) {  // a dead mount knows nothing; /proc does
  }
  for (const pid_t pid : processes_in(point)) {
    if (std::ranges::find(named, pid) == named.end()) {
      add(process_text(pid) + " has a file open or its working folder there");
    }
  }
  return text;
}

void unmount_place(const Place& place, const UnmountOptions& options) {
  if (!place.vm.empty()) {
    throw Error(EINVAL, "{} is a VM; a mount is unmounted as a whole: v2vfsctl umount {}", place.vm,
                place.mountpoint);
  }
  // Asked before: afterwards nobody can.
  const std::string holders = holders_of(place.mountpoint);
  // With force it is gone at once, and whoever has something open there gets errors, not a wait.
  if (!v2vfs::unmount(place.mountpoint, options.force ? MNT_FORCE | MNT_DETACH : 0)) {
    if (errno == EPERM) throw Error(EPERM, "{} was mounted by somebody else", place.mountpoint);
    throw Error(
        EBUSY,
        "{} is in use:{}\nEnd that first; --force unmounts it all the same, and they get errors",
        place.mountpoint, holders.empty() ? " by whom cannot be seen from here" : holders);
  }
  if (options.quiet) return;
  std::printf("%s is unmounted\n", place.mountpoint.c_str());
  if (options.force && !holders.empty()) {
    std::printf("these get errors now:%s\n", holders.c_str());
  }
}

}  // namespace

int unmount(const UnmountOptions& options) {
  int code = exit_ok;
  for (const std::string& word : options.words) {
    try {
      unmount_place(find_place(word), options);
    } catch (const Error& e) {
      std::fprintf(stderr, "v2vfsctl: %s\n", e.sentence().c_str());
      if (code == exit_ok) code = exit_code_of(e);
    }
  }
  return code;
}

}  // namespace v2vfs::ctl
