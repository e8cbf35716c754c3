// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace v2vfs::convert {

/// The file of the firmware that `descriptor` (QEMU's docs/interop/firmware.json) describes, if it
/// is UEFI for x86_64 on q35 with Secure Boot and enrolled keys; nullopt for any other, and for a
/// text that is no descriptor.
std::optional<std::string> secure_boot_firmware(const std::string& descriptor);

}  // namespace v2vfs::convert
