// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "convert/guest/capabilities.h"
#include "inspect/model.h"

namespace v2vfs::convert {

/// How VMs run on this host: decided once per mount, see host.h.
struct HostChoice {
  bool kvm = false;  // <domain type='kvm'>, else 'qemu'
  std::string arch = "x86_64";
  bool has_ovmf_secure_boot = false;
  bool has_swtpm = false;
};

enum class NetworkKind { network, user, bridge };

struct NetworkChoice {
  NetworkKind kind = NetworkKind::network;
  std::string name = "default";  // of the network or bridge
};

struct DomainOptions {
  HostChoice host;
  NetworkChoice network;  // for every NIC that network_map does not name
  std::vector<std::pair<std::string, std::string>>
      network_map;  // source network -> libvirt network
  /// Of spec.removables the host path of the medium, empty where it has none of its own; none at
  /// all: every drive is empty. What cannot stand in a domain is left out.
  std::vector<std::string> media = {};
};

/// A disk as the domain sees it.
struct DomainDisk {
  std::string path;  // absolute
};

struct DomainText {
  std::string xml;
  std::vector<std::string> assumptions;  // what the domain has other than the source had
};

/// The domain that boots the guest unchanged, on hardware as the source has it where QEMU has it.
/// Pure. `disks` are in the order of spec.disks. `uuid` is used where the source has none. Throws
/// Error(EINVAL) for what is not the source's: a wrong number of disks, a path that is not absolute
/// or that XML cannot hold, a malformed `uuid`. Nothing in `spec` makes it throw.
DomainText compatible_domain(const inspect::MachineSpec& spec, const std::string& name,
                             const std::string& uuid, const std::vector<DomainDisk>& disks,
                             const DomainOptions& options);

/// The domain of a guest that was converted: devices as `can` says, MAC addresses, identity and
/// size as in compatible_domain(), to which it is the same where the guest can only run on hardware
/// like the source's (BlockBus::source). Pure; throws as that one does.
DomainText converted_domain(const inspect::MachineSpec& spec, const Capabilities& can,
                            const std::string& name, const std::string& uuid,
                            const std::vector<DomainDisk>& disks, const DomainOptions& options);

/// The MAC addresses that both domains give to spec.nics, in their order.
std::vector<std::string> domain_macs(const inspect::MachineSpec& spec, const std::string& uuid);

/// True if `text` is well-formed XML whose root element is <domain>. No DOCTYPE is accepted, and no
/// encoding but UTF-8.
bool is_domain_document(const std::string& text);

}  // namespace v2vfs::convert
