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

/// What a description means by "qcow2", "vpc", ... (QEMU's words and xl's); unknown for others.
DiskFormat said_format(std::string_view word);
/// What a disk of that name has to be, where its header or footer tells: one without it is cut off.
DiskFormat format_of_suffix(std::string_view file);

}  // namespace v2vfs::inspect
