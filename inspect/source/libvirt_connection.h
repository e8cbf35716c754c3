// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::inspect {

/// A domain as libvirt tells of it.
struct LibvirtDomain {
  std::string name;
  std::string xml;  // the persistent configuration, if there is one
  bool is_active = false;
  bool has_saved_memory = false;
  std::vector<std::string> snapshots;  // <domainsnapshot> documents, in libvirt's order
  std::string current_snapshot;        // its name; empty: none
};

struct LibvirtListing {
  std::vector<LibvirtDomain> domains;     // sorted by name
  std::vector<std::string> pool_folders;  // of active storage pools that are folders of this host
};

/// Asks libvirt, over a read-only connection, for all domains at `uri` ("qemu:///system"). Throws
/// Error(EIO) with libvirt's own message where it does not answer. A domain that vanishes meanwhile
/// is left out.
LibvirtListing list_libvirt(const std::string& uri);

}  // namespace v2vfs::inspect
