// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "convert/guest/guest_edit.h"

namespace v2vfs::convert {

struct EditOutcome {
  std::string path;
  std::optional<Error> failure;  // nullopt: it is as wanted
  /// The guest's file was another one than the edit was made of; it was replaced all the same.
  bool replaced_another = false;
};

/// Brings every edit about through a guest that is mounted writable, and says of each what became
/// of it. A file is written beside its place and renamed over it, with mode, owner and attributes
/// as wanted; one with several names, or with attributes that are no strings, keeps its inode and
/// is written in place. Done twice, or again after it was cut off anywhere, it comes to the same.
/// An edit that fails leaves its path as it was, but for a file that is written in place. The
/// caller syncs.
std::vector<EditOutcome> apply_edits(inspect::Guest& guest, std::vector<GuestEdit> edits);

}  // namespace v2vfs::convert
