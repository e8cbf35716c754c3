// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest.h"

/// SUSE's RPM databases ("ndb", Packages.db), which the librpm of Debian and Red Hat is built
/// without.
namespace v2vfs::inspect {

/// The name, version and so on of a package's header as databases hold it: index length, data
/// length (big-endian), index entries of four numbers (tag, type, offset, count), data. Pure.
/// nullopt: it is no header, or has no name.
std::optional<PackageEntry> parse_rpm_header(std::string_view header);

/// The packages of a Packages.db of `file_bytes`: a head ("RpmP"), pages of slots ("Slot", package,
/// block, blocks), and blobs at multiples of 16 ("BlbS", package, generation, length). `read_at`
/// gives up to the asked bytes. At most kPackages; blobs of more than 16 MiB are left out. Throws
/// Error(EIO) for what is no such database.
std::vector<PackageEntry> read_rpm_ndb(
    std::uint64_t file_bytes,
    const std::function<std::string(std::uint64_t offset, std::size_t length)>& read_at);

}  // namespace v2vfs::inspect
