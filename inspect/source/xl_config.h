// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "inspect/source/described_machine.h"

namespace v2vfs::inspect {

/// Reads a configuration file of xl(1) or xm(1) (xl.cfg(5), xmdomain.cfg(5)). Pure; the file is
/// data, no Python in it is run. `file` is its name, for messages and where the machine has none.
/// Throws Error(EINVAL) for what is no such file or holds Python code.
DescribedMachine parse_xen_config(std::string_view text, std::string_view file);

}  // namespace v2vfs::inspect
