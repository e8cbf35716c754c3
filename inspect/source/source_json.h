// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/model.h"
#include "inspect/source/source.h"

/// What sources are, as JSON texts: two spaces, UTF-8, a newline at the end. Every text of a source
/// is cleaned. Keys may be added, never renamed. Thread safe.
namespace v2vfs::inspect {

/// One machine: an element of `--check --json`'s machines, and `source` of inspection.json.
std::string machine_json(const MachineSpec& spec);

/// vapp.json. In startup `vm` is the machine's folder. Several appliances in one mount: their lists
/// one after the other, and each of them alone under "appliances".
std::string vapp_json(const FoundSource& source);

/// `v2vfs --check --json`: {machines[], appliances[], problems[]}. A machine has "folder" and
/// "descriptor" besides what machine_json() gives.
std::string check_json(const FoundSource& source);

}  // namespace v2vfs::inspect
