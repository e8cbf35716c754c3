// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/guest/guest.h"

namespace v2vfs::convert {

constexpr std::size_t kMostModuleBytes = 32 << 20;  // of one, stored and decompressed

/// A kernel module of the guest as the kernel sees it: decompressed (.gz, .xz, .zst, by its magic
/// number), else byte for byte. Throws Error(ENOENT) if it is not there, Error(EIO) if it is
/// damaged or no ELF file, Error(EFBIG) above kMostModuleBytes.
std::string read_module(inspect::Guest& guest, const std::string& path);

/// The same from bytes. Pure.
std::string decompressed_module(std::string stored);

}  // namespace v2vfs::convert
