// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "fs/state_dir.h"

namespace v2vfs::fs {

std::string state_to_json(const StateRecord& record);
/// Throws Error(EIO) naming `name` if the text is damaged or of a later version.
StateRecord state_from_json(const std::string& text, const std::string& name);

}  // namespace v2vfs::fs
