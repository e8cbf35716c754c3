// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace v2vfs::fs {

/// True if a v2vfs (fuse.v2vfs in /proc/self/mountinfo) is mounted at `path`, alive or dead. Reads
/// the table only: touches nothing under the mount.
bool is_our_mount(const std::string& path);

/// Whether looking into `path` has somebody (systemd, autofs(5)) mount there first: us, perhaps.
bool is_automount(const std::string& path);

/// The device number of the mount at `path` ("0:54"), for /sys/fs/fuse/connections; empty if none.
std::string mount_device(const std::string& path);

/// Takes a mount of ours away, lazily: umount2(2), or fusermount3 for an ordinary user. False if it
/// could not be done.
bool unmount_lazily(const std::string& path);

/// The same, and where the system allows it (not to an ordinary user) the connection ends too.
bool unmount_by_force(const std::string& path);

/// Ends the connection of the mount at `path`: whoever still uses it gets ENOTCONN.
/// Does nothing where fusectl is not mounted (containers).
void abort_connection(const std::string& device);

}  // namespace v2vfs::fs
