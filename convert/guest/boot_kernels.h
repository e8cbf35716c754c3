// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

/// Which kernels of a guest may start at its next boots, and what of their initrds can be changed.
/// Pure.
namespace v2vfs::convert {

/// Those that a boot entry names; where none does, all that there are. Not those of Xen alone.
std::vector<const inspect::KernelFacts*> bootable_kernels(const inspect::GuestFacts& guest);

/// The default entry's, else the newest that is bootable; nullptr: none.
const inspect::KernelFacts* default_kernel(const inspect::GuestFacts& guest);

/// nullptr for a name that no kernel has.
const inspect::DriverFacts* find_driver(const inspect::KernelFacts& kernel, std::string_view name);
bool has_driver(const inspect::KernelFacts& kernel, std::string_view name);
/// Without a file of the root: built in, or in the initrd.
bool has_at_boot(const inspect::KernelFacts& kernel, std::string_view name);

/// Why this kernel's initrd cannot be added to, one clean sentence; empty: it can.
std::string why_initrd_stays(const inspect::GuestFacts& guest, const inspect::KernelFacts& kernel);

/// The tool that makes this kernel's initrds: what the image shows, else what the guest has.
std::string initrd_tool(const inspect::GuestFacts& guest, const inspect::KernelFacts& kernel);

}  // namespace v2vfs::convert
