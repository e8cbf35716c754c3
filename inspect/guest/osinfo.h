// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

/// The names that osinfo-db gives to systems (short-id).
namespace v2vfs::inspect {

/// The true short id, whether or not this host's database has it: "debian12", "sle15sp4",
/// "win2k22". Empty: the system is not known. Pure.
std::string osinfo_id(const OsFacts& os, const WindowsFacts* windows);

/// The short id that the database's file "VENDOR/NAME.xml" describes. Pure.
std::string short_id_of_file(std::string_view vendor, std::string_view stem);

/// Short ids of the database in `folder`, by its files' names; nothing is parsed. Empty where there
/// is no database. At most 10,000.
std::vector<std::string> osinfo_names(const std::string& folder);

/// The nearest of `known`: the same id; else the same family at the highest version not above; else
/// its lowest; else the newest generic Linux. Empty: none. Pure.
std::string nearest_osinfo(const std::string& id, const OsFacts& os,
                           const std::vector<std::string>& known);

}  // namespace v2vfs::inspect
