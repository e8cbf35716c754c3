// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

/// What a process that a hostile guest may take over can still reach. Landlock (Documentation/
/// userspace-api/landlock.rst) by raw system calls, as glibc has none; and capabilities(7).
namespace v2vfs::fs {

/// Files and folders by what may be done with them and with all below them. What is not there is
/// passed over.
struct Reach {
  std::vector<std::string> read;        // and execute
  std::vector<std::string> write;       // read, write, make, remove
  std::vector<std::string> rendezvous;  // make and remove sockets and folders, list; no content
};

/// From now on the calling thread, and every process that it starts, reaches `reach` and nothing
/// else: no other path is opened, made or removed, no TCP port is used (kernel 6.7), no process
/// outside gets its signals (6.12), no executed program gains rights. What is open stays open.
/// False: this kernel has no Landlock, or it is switched off; then nothing has changed. Throws
/// Error for a kernel that has it and refuses.
bool confine(const Reach& reach);

/// From now on the calling thread, and every process that it starts, is root over files only
/// (CAP_DAC_OVERRIDE); of another user nothing is taken. Throws Error.
void drop_capabilities();

}  // namespace v2vfs::fs
