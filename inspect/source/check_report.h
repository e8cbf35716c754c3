// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "inspect/source/source.h"

namespace v2vfs::inspect {

/// What `v2vfs --check` prints for people: each machine with its hardware, what was assumed, left
/// out, and stands against its use. Cleaned; ends with a line of totals.
std::string check_report(const FoundSource& source);

/// How `v2vfs --check` ends: 0 all machines are usable without a problem, 1 some problem. (2,
/// nothing readable, is an Error of find_machines.)
int check_exit_code(const FoundSource& source);

/// "1.5 GiB", "512 bytes".
std::string readable_bytes(std::uint64_t bytes);

}  // namespace v2vfs::inspect
