// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace v2vfs {

/// umount2(2) of a mount that is not followed through a link, with `flags` of it; for a user who
/// may not, fusermount3 does it (lazily for MNT_DETACH). False: it is mounted still, errno may say
/// why.
bool unmount(const std::string& path, int flags);

}  // namespace v2vfs
