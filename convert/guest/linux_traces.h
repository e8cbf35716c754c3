// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace v2vfs::convert {

/// The content of one of a guest's disks.
struct DiskBytes {
  std::uint64_t bytes = 0;
  /// Within `bytes`. Throws Error.
  std::function<void(std::uint64_t offset, std::span<std::byte> out)> read;
};

/// False only if no Linux can be on the disk: an empty disk, one of noise, one with Windows alone.
/// Looks at partition tables and at the first and last sectors of what they name, so it takes no
/// appliance and reads less than a MiB. What it cannot judge may hold Linux. Throws what `read`
/// throws. Pure.
bool may_hold_linux(const DiskBytes& disk);

}  // namespace v2vfs::convert
