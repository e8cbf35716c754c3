// SPDX-License-Identifier: MIT
#pragma once

#include <pugixml.hpp>

#include "inspect/source/described_machine.h"

namespace v2vfs::inspect::libvirt_xml {

/// The <controller>s and <disk>s below `devices`.
void read_drives(pugi::xml_node devices, DescribedMachine& machine);

}  // namespace v2vfs::inspect::libvirt_xml
