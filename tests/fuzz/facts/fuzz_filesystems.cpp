// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "inspect/guest/filesystems_in_use.h"

/// Any bytes as superblocks, and as the log of an XFS: it ends, and reads nothing that is not
/// there.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs::inspect;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ext_in_use(bytes);
  btrfs_in_use(bytes);
  fat_unmounted(bytes);
  xfs_log(bytes);
  const std::uint64_t sectors = size / 512;
  xfs_in_use(sectors, [&](std::uint64_t first, std::uint64_t count) {
    if (first > sectors || count > sectors - first) __builtin_trap();
    return std::string(bytes.substr(first * 512, count * 512));
  });
  return 0;
}
