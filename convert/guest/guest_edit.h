// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/guest/guest.h"

/// What a user wants at a path of the guest: a state, not an operation, so that bringing it about
/// twice is the same as once. The view makes edits and keeps them; apply_edits() brings them into
/// the guest.
namespace v2vfs::convert {

constexpr std::size_t kLargestEdit = 16 << 20;

enum class EditKind : std::uint8_t { absent, file, directory, symlink };

struct EditedState {
  EditKind kind = EditKind::absent;
  std::uint32_t permissions = 0;  // 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<inspect::Xattr> xattrs;  // all that it is to have
  std::string target;                  // of a symlink
  /// Of a file: what is in it was written; else the guest's own content stays, however large.
  bool has_content = false;
  bool operator==(const EditedState&) const;
};

/// What the guest had there when the edit was first made.
struct ReplacedFile {
  bool there = false;
  inspect::FileKind kind = inspect::FileKind::file;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const ReplacedFile&) const = default;
};

struct GuestEdit {
  std::string path;
  EditedState wanted;
  ReplacedFile replaced;
  /// The content, at most kLargestEdit bytes; called where `wanted` has one. Throws Error.
  std::function<std::string()> content;
};

inline bool EditedState::operator==(const EditedState& other) const {
  const auto same_xattr = [](const inspect::Xattr& a, const inspect::Xattr& b) {
    return a.name == b.name && a.value == b.value;
  };
  return kind == other.kind && permissions == other.permissions && uid == other.uid &&
         gid == other.gid && target == other.target && has_content == other.has_content &&
         std::equal(xattrs.begin(), xattrs.end(), other.xattrs.begin(), other.xattrs.end(),
                    same_xattr);
}

}  // namespace v2vfs::convert
