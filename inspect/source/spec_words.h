// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/model.h"

/// The words that JSON and reports use for the model's enumerators. Public: they do not change.
namespace v2vfs::inspect {

std::string_view word(Firmware firmware);
std::string_view word(ControllerKind kind);
std::string_view word(DiskFormat format);
std::string_view word(RemovableKind kind);
std::string_view word(NicModel model);
std::string_view word(Severity severity);
std::string_view word(GuestType type);

}  // namespace v2vfs::inspect
