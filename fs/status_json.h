// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "fs/vm_status.h"

namespace v2vfs::fs {

/// The texts of status.json (contract.md): two spaces, UTF-8, ending in a newline.
std::string to_json(const VmStatus& status);
std::string to_json(const MountStatus& status);

}  // namespace v2vfs::fs
