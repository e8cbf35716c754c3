// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::ctl {

struct ExportOptions {
  std::vector<std::string> words;  // VM... DEST
  bool verify = false;
  bool quiet = false;
};

/// Copies VMs out of mounts: DEST/VM/disk.qcow2 ... and, when all of a VM's disks are there and
/// durable, a domain.xml that names them. The exit code.
int export_vms(const ExportOptions& options);

}  // namespace v2vfs::ctl
