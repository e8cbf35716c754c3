// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "convert/guest/capabilities.h"

namespace v2vfs::convert {

/// As the state keeps them.
std::string capabilities_to_json(const Capabilities& can);
/// Throws Error(EIO) for a text that the other one does not give.
Capabilities capabilities_from_json(const std::string& text);

}  // namespace v2vfs::convert
