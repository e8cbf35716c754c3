// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace v2vfs::fs {

/// Replaces `folder`/`name` so that a crash leaves the old text or the new one, and the new one is
/// durable on return: temporary, fsync, rename, fsync of the folder (rule R12 of ARCHITECTURE.md).
void write_durably(const std::string& folder, const std::string& name, const std::string& text);

/// Removes it durably; true if it was there.
bool remove_durably(const std::string& folder, const std::string& name);

/// nullopt: there is no such file. Throws Error for one that cannot be read or is larger than 16
/// MiB.
std::optional<std::string> read_small_file(const std::string& folder, const std::string& name);

/// Makes the folder (0700) and makes its name durable in its parent, which exists.
void make_private_folder(const std::string& path);

/// Removes a folder and all in it; follows no link and leaves the file system no mount point.
void remove_folder(const std::string& path);

}  // namespace v2vfs::fs
