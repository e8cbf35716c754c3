// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Sets facts.hypervisor_items: packages (of facts.applications), units, modprobe and X
/// configuration, tools that were unpacked, and repositories of the hypervisors a guest may come
/// from.
void find_hypervisor_items(GuestReader& reader, GuestFacts& facts);

/// Which hypervisor a package belongs to ("vmware", ...), by its name or, on Windows, by what it is
/// called; empty: none. Pure.
std::string hypervisor_of_package(std::string_view name);

/// Which hypervisor a kernel module drives the hardware of; empty: none. Pure.
std::string hypervisor_of_module(std::string_view module);

}  // namespace v2vfs::inspect
