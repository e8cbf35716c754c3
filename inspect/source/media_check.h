// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/source/ovf.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// Looks whether the files that a machine names are there, and says in its problems what is not.
/// Takes the spelling of a name that is there ("%20" for a blank; NAME.000 for a snapshot's NAME).
/// A machine none of whose disks can be served gets a problem of Severity::error. Opens files,
/// reads nothing.
MachineSpec checked_machine(OvfMachine machine, const SourceFiles& files);

}  // namespace v2vfs::inspect
