// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/model.h"

namespace v2vfs::inspect {

/// Reads <domainsnapshot> documents (formatsnapshot) into spec.snapshots. The disks of an external
/// snapshot are the files that the domain had when it was taken; one that lies within a qcow2 is
/// named without disks, which is said in the spec's `ignored`. Nothing makes it throw.
void read_domain_snapshots(const std::vector<std::string>& documents, const std::string& current,
                           MachineSpec& spec);

}  // namespace v2vfs::inspect
