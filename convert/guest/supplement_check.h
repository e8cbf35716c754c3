// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/guest/cpio_writer.h"
#include "convert/guest/initrd_supplement.h"
#include "inspect/guest/initrd_archive.h"

namespace v2vfs::convert {

/// Supplement::archive_digest of the archive of `files`.
std::string archive_digest(const std::vector<CpioFile>& files);

/// Opens a whole image as the kernel would: the last entries that it unpacks are the supplement's,
/// byte for byte, and its end is as it was. Returns what is wrong, one sentence; empty: nothing.
std::string check_supplemented(std::uint64_t image_bytes, const inspect::ReadAt& read_at,
                               const Supplement& supplement);

}  // namespace v2vfs::convert
