// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// The kernels of the mounted guest: those in its boot menu, those in /boot, and folders of
/// modules, put together by their version; newest first, at most kKernels. Initrds of the first
/// kInitrdsOpened that the boot menu names (the default one first) are opened.
std::vector<KernelFacts> find_kernels(GuestReader& reader, const BootloaderFacts& bootloader,
                                      bool open_initrds);

}  // namespace v2vfs::inspect
