// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// What a reader needs to derive the keys of LUKS2: argon2id takes up to 1 GiB (cryptsetup(8),
/// --pbkdf-memory), beside what the appliance needs itself.
constexpr std::uint32_t kLuks2MemoryMib = 2560;

/// A container is to be opened that needs a reader with more memory: start it again with that much.
class MemoryNeeded : public Error {
 public:
  explicit MemoryNeeded(std::uint32_t mib)
      : Error(ENOMEM, "opening LUKS2 needs {} MiB of memory", mib), mib_(mib) {}
  std::uint32_t mib() const { return mib_; }

 private:
  std::uint32_t mib_;
};

/// A key of a LUKS container. `device` names it as BlockDevice::name, as the guest's kernel would
/// ("/dev/sda3"), by UUID, or "all".
struct LuksKey {
  std::string device;
  std::string key;  // raw bytes
};

struct InspectOptions {
  std::vector<LuksKey> keys;
  /// What the reader has; nothing is unlocked that needs more (MemoryNeeded). 0: all that it takes.
  std::uint32_t memory_mib = 0;
  std::string
      root;  // which root is meant: device, "UUID=...", or device:subvolume; empty: we choose
  bool open_initrds = true;
  bool list_applications = true;
  /// Where this host's osinfo-db lists systems; a missing folder leaves osinfo_known empty.
  std::string osinfo_folder = "/usr/share/osinfo/os";
};

/// What the disks hold: opens LUKS where there is a key, finds every root, mounts each read-only
/// with what its fstab names, and reads what matters. Nothing is mounted when it returns. What
/// cannot be read in the guest becomes a note or a readiness entry; throws only what ends the
/// reader itself (ETIMEDOUT, EIO of a dead one) and EINVAL for options.root that fits no root.
/// Reads, output and recursion are bounded (limits.h).
GuestInspection inspect_guest(Guest& guest, const InspectOptions& options = {});

}  // namespace v2vfs::inspect
