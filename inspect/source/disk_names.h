// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect {

/// Of a part of NAME.vmdk as VMware calls it ("NAME-flat.vmdk", "NAME-s001.vmdk", ...) that name;
/// else empty.
std::string descriptor_of_part(std::string_view name);

/// The disk that a delta, by its name, was made upon: "web.vhdx" of Hyper-V's "web_GUID.avhdx",
/// "web.vmdk" of ESX's "web-000001-delta.vmdk"; else empty.
std::string base_of_delta(std::string_view name);

/// The absolute paths that a name in a file of `folder` ("/a/b/") may stand for, without "." and
/// "..": as it is, and beside the file, where moved ones are looked for.
std::vector<std::string> places_of_link(const std::string& folder, std::string link);

}  // namespace v2vfs::inspect
