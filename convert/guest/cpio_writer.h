// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace v2vfs::convert {

/// One entry of an archive that the kernel unpacks, owned by root.
struct CpioFile {
  std::string name;              // "usr/lib/modules/V/kernel/x.ko": no leading '/', no NUL
  std::uint32_t mode = 0100644;  // st_mode: kind and permissions
  std::string content;           // of a folder: nothing
};

/// A "newc" archive (Documentation/driver-api/early-userspace/buffer-format.rst) of the entries in
/// their order, with its trailer; a multiple of four bytes. No times, inode numbers from 1 on: the
/// same entries give the same bytes. Folders have to come before what lies in them. Throws
/// Error(EFBIG) for a content of 4 GiB, which the format cannot say.
std::string write_cpio(const std::vector<CpioFile>& files);

}  // namespace v2vfs::convert
