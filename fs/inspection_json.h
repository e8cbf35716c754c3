// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "fs/inspection.h"

namespace v2vfs::fs {

/// How a KeptInspection lies in the state folder.
std::string kept_inspection_to_json(const KeptInspection& kept, const std::string& identity);

/// nullopt: it is of another source, of another version of v2vfs, or no such text. Never throws:
/// what is kept can be found again.
std::optional<KeptInspection> kept_inspection_from_json(const std::string& text,
                                                        const std::string& identity);

}  // namespace v2vfs::fs
