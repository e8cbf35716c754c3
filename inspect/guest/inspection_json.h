// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

#include "inspect/guest/guest_facts.h"
#include "inspect/model.h"

namespace v2vfs::inspect {

/// inspection.json: {as_of, source, guests[], disks, chosen, readiness[]}, two spaces, UTF-8, a
/// newline at the end. `source` is what machine_json() gives. Valid by inspection.schema.json.
/// Every text of the guest is cleaned. Thread safe.
std::string inspection_json(const MachineSpec& source, const GuestInspection& inspection,
                            std::chrono::system_clock::time_point as_of);

}  // namespace v2vfs::inspect
