// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

/// What a converted guest can be run on: the plan says it, the domain follows it.
namespace v2vfs::convert {

/// On what its disks hang. `source`: on what the machine had, as in domain-compat.xml, because the
/// guest can boot from nothing else.
enum class BlockBus : std::uint8_t { source, sata, virtio_blk, virtio_scsi };

enum class GuestNic : std::uint8_t { source, virtio, e1000e, e1000 };

struct Capabilities {
  BlockBus block_bus = BlockBus::source;
  GuestNic nic = GuestNic::source;
  bool q35 = true;  // else i440FX ("pc")
  bool transitional =
      false;  // its virtio is 0.9, which PCI Express slots do not offer by themselves
  bool uefi = false;
  bool rng = false;
  bool balloon = false;
  bool virtio_serial = false;  // for the channel of the guest agent
  bool guest_agent = false;    // it is installed
  /// Least level that its programs are built for: "x86-64-v2", "x86-64-v3"; empty: any CPU.
  std::string cpu;
  std::string console;  // where the kernel writes: "ttyS0", "tty0"
  bool operator==(const Capabilities&) const = default;
};

}  // namespace v2vfs::convert
