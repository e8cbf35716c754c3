// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/guest/guest.h"

namespace v2vfs::fs {

/// The guest's own files as its disks have them, for the view that lays edits over them. Paths are
/// physical (guest_paths.h): no link is followed. A call may throw NotYet where the guest must be
/// asked first; it has then done nothing, and neither has whoever let it pass.
class GuestTree {
 public:
  using Listing = std::vector<inspect::FileEntry>;  // by name; only names that can be one

  virtual ~GuestTree() = default;
  /// nullopt: there is nothing, or its folder is none.
  virtual std::optional<inspect::FileEntry> find(const std::string& path) = 0;
  /// Of what find() called a folder.
  virtual std::shared_ptr<const Listing> list(const std::string& path) = 0;
  /// Of what find() called a file; fewer bytes only at its end.
  virtual std::string read(const std::string& path, std::uint64_t offset, std::size_t length) = 0;
  virtual std::vector<inspect::Xattr> xattrs(const std::string& path) = 0;
  /// Grows when the disks may have changed.
  virtual std::uint64_t generation() const = 0;
};

}  // namespace v2vfs::fs
