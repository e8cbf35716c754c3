// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "inspect/guest/guestfs_handle.h"

namespace v2vfs::inspect {

FileStat to_file_stat(const struct guestfs_statns& stat);

/// The entries of a folder, "." and ".." left out, in bounded memory. Throws Error(EOVERFLOW) where
/// there are more than kMostElements.
std::vector<FileEntry> list_folder(const GuestfsHandle& handle, const std::string& path);

}  // namespace v2vfs::inspect
