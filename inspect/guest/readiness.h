// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// What stands between the machine and a life on KVM, by what was found: codes are stable words.
/// Pure.
///   no-root, several-roots, luks-locked, hibernated, fast-startup, boot-full, no-virtio,
///   initrd-unknown, initrd-unreadable, no-kernel, no-bootloader, uki, lilo, xen-kernel,
///   fragile-device, mount-missing, group-policy, antivirus, unknown-os
std::vector<Problem> readiness_of(const GuestInspection& inspection);

}  // namespace v2vfs::inspect
