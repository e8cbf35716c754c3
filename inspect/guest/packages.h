// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Installed packages of /var/lib/dpkg/status (deb-control(5)); version is the upstream part,
/// release the Debian revision. Pure; at most kPackages.
std::vector<Application> parse_dpkg_status(std::string_view text);

/// Installed packages of /lib/apk/db/installed (P:, V:, A:, U:, T:). Pure; at most kPackages.
std::vector<Application> parse_apk_installed(std::string_view text);

/// One package of /var/lib/pacman/local/NAME/desc. Pure; an empty name: it is none.
Application parse_pacman_desc(std::string_view text);

/// "1:2.0~rc1-3" -> epoch, version, release. Pure.
void split_package_version(std::string_view text, Application& application);

/// The packages of the mounted guest by its own database; sets package_format, package_management
/// and applications. RPM lists come from Guest::rpm_packages for the root at
/// facts.root, SUSE's ndb databases are read by our own code.
void find_packages(GuestReader& reader, GuestFacts& facts, bool list_applications);

}  // namespace v2vfs::inspect
