// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::ctl {

struct DefineOptions {
  std::vector<std::string> words;  // VMs, or mounts for all in them
  std::string uri;                 // empty: libvirt's default
  bool start = false;
  bool quiet = false;
};

/// Gives libvirt the domain.xml of each VM. The exit code.
int define_vms(const DefineOptions& options);

/// Takes them from libvirt again. The exit code.
int undefine_vms(const DefineOptions& options);

}  // namespace v2vfs::ctl
