// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/guest/guest_facts.h"

/// The words that JSON uses for the enumerators of guests. Public: they do not change.
namespace v2vfs::inspect {

std::string_view word(DriverState state);
std::string_view word(BlockKind kind);

}  // namespace v2vfs::inspect
