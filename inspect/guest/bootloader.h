// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Which boot loader the mounted guest's own configuration belongs to, and its entries with kernels
/// and initrds as paths of the tree. With `firmware` uefi the EFI system partition is asked first.
/// Follows configfile, source and INCLUDE at most kIncludeDepth deep.
BootloaderFacts find_bootloader(GuestReader& reader, Firmware firmware,
                                const std::string& root_subvolume);

}  // namespace v2vfs::inspect
