// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/source/content_kind.h"

namespace v2vfs::inspect {

/// What kind of description the first bytes of a text are: vmx, xen, domain, or other. A Xen
/// configuration has to name the machine, its memory, and what it starts or has.
ContentKind text_kind(std::string_view head);

}  // namespace v2vfs::inspect
