// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace v2vfs::ctl {

/// What a person wants to know of inspection.json first.
struct InspectionSummary {
  std::string as_of;
  // The machine.
  std::string source_kind, firmware;
  std::uint64_t memory_bytes = 0;
  unsigned vcpus = 0;
  struct Disk {
    std::string file;
    std::uint64_t capacity_bytes = 0;
  };
  std::vector<Disk> disks;
  struct Card {
    std::string model, mac, network;
  };
  std::vector<Card> cards;
  // The guest that is meant.
  bool has_guest = false;
  std::size_t guests = 0;
  std::string system, arch, hostname, osinfo, package_format;
  struct Filesystem {
    std::string mountpoint, type, device;
    std::uint64_t bytes = 0, free_bytes = 0;
    bool has_space = false;
  };
  std::vector<Filesystem> filesystems;
  struct Kernel {
    std::string version;
    bool is_default = false, has_initrd = false, has_virtio = false;
  };
  std::vector<Kernel> kernels;
  struct Interface {
    std::string name, mac, method;
    std::vector<std::string> addresses, gateways;
  };
  std::vector<Interface> network;
  std::vector<std::string> tools;  // of the old hypervisor
  std::size_t packages = 0;
  struct Readiness {
    std::string code, severity, what, fix;
  };
  std::vector<Readiness> readiness;

  std::size_t count(const std::string& severity) const;
};

/// Throws Error(EIO) with `name` for what is no inspection.json.
InspectionSummary parse_inspection(const std::string& text, const std::string& name);

}  // namespace v2vfs::ctl
