// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// The same for programs that read virt-inspector's XML (virt-inspector.rng of guestfs-tools): one
/// <operatingsystem> a root, the chosen one first. Without icons. Thread safe.
std::string inspection_xml(const GuestInspection& inspection);

}  // namespace v2vfs::inspect
