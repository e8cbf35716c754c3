// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

/// status.json as it is read by those who are not the daemon.
namespace v2vfs::ctl {

struct DiskStatus {
  std::string file;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t written_bytes = 0;
  bool frozen = false;
  std::vector<pid_t> readers, writers;
};

struct VmStatus {
  std::string name;
  std::string state;
  std::string stage;  // empty: nothing goes on
  std::uint64_t done_bytes = 0, total_bytes = 0;
  struct Trouble {
    std::string code, what, fix;
  };
  std::optional<Trouble> error;
  std::vector<Trouble> problems;
  std::vector<std::string> assumptions;
  std::vector<DiskStatus> disks;
  std::vector<std::string> pending_edits;
  std::vector<pid_t> waiting_for;
  std::string integrity, integrity_what;

  std::vector<pid_t> writers() const;
  std::uint64_t virtual_bytes() const;
  std::uint64_t written_bytes() const;
};

struct MountStatus {
  std::string version;
  std::vector<std::string> sources;
  std::string state_dir;
  std::vector<VmStatus> vms;
};

/// Throws Error(EIO) with `name` for what is no status.json.
MountStatus parse_mount_status(const std::string& text, const std::string& name);

/// Throws Error: ENOTCONN where the daemon is gone.
MountStatus read_mount_status(const std::string& mountpoint);

/// Of one VM, by its own file. Throws Error(ENOENT) if the mount has none of this name.
VmStatus read_vm_status(const std::string& mountpoint, const std::string& vm);

/// The text of a status.json as one value for --json: with "mountpoint", and only these VMs (none:
/// all).
std::string chosen_status(const std::string& text, const std::string& mountpoint,
                          const std::vector<std::string>& vms, bool pretty);

/// A whole small file. Throws Error with its path.
std::string read_text(const std::string& path);

}  // namespace v2vfs::ctl
