// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/source/described_machine.h"

namespace v2vfs::inspect {

/// Reads a libvirt domain (formatdomain), of any hypervisor. Pure. `file` is its name, for messages
/// and where the domain has none. Throws Error(EINVAL) for what is no such document; everything
/// else is said in the machine.
DescribedMachine parse_domain_xml(std::string_view text, std::string_view file);

}  // namespace v2vfs::inspect
