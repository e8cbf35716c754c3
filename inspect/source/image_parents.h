// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The file that a differencing VHD builds upon, by the places that its headers give, relative ones
/// first; empty for every other file. Throws Error(EIO).
std::vector<std::string> parents_of_vhd(const SourceFile& file);
/// The same of a VHDX.
std::vector<std::string> parents_of_vhdx(const SourceFile& file);

}  // namespace v2vfs::inspect
