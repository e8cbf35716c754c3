// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// Release files of a root: path -> text; those that are not there are left out.
using ReleaseFiles = std::map<std::string, std::string>;

/// The files that identify_linux() looks at.
const std::vector<std::string>& release_file_paths();

/// Which system a root is, by os-release(5), and by what distributions had before it or beside it
/// (CentOS and Debian keep the minor version elsewhere). type is "linux"; distro "unknown" where
/// nothing says. Pure.
OsFacts identify_linux(const ReleaseFiles& files);

/// libguestfs's word for an os-release ID ("alpine" is "alpinelinux"), the ID itself where it has
/// none.
std::string distro_of_id(std::string_view id);

/// "7.9.2009" -> 7 and 9; only what is there.
void set_version(OsFacts& os, std::string_view version);

}  // namespace v2vfs::inspect
