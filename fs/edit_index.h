// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/guest/guest_edit.h"

/// The one file that says which edits of a guest there are.
///
///     "v2vfs edits 1\n", then the fields below in order, then the SHA-256 of all that (64 hex
///     digits)
///
/// A number is eight bytes, little endian; a text is its length and its bytes; a list is its length
/// and its elements.
namespace v2vfs::fs {

/// Which parts of a new file's state somebody asked for; the others come from the file that it
/// replaces.
struct ChosenParts {
  bool permissions = false;
  bool owner = false;
  bool label = false;   // security.selinux
  bool xattrs = false;  // all of them: it was a file of the guest elsewhere
  bool operator==(const ChosenParts&) const = default;
};

/// Where the content of an edit lies: file "content-N" of the journal's folder.
struct KeptContent {
  std::uint64_t slot = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
  bool operator==(const KeptContent&) const = default;
};

struct JournalEntry {
  std::string path;
  convert::EditedState wanted;
  convert::ReplacedFile replaced;
  ChosenParts chosen;
  std::int64_t saved_ns = 0;  // since 1970
  std::optional<KeptContent> content;
  std::uint64_t run = 0;  // the run that took it; 0: it waits
  /// The run that took an earlier edit of the same path, and what that one leaves there.
  std::uint64_t over_run = 0;
  bool over_there = false;
  bool operator==(const JournalEntry&) const = default;
};

using EditMap = std::map<std::string, JournalEntry>;

struct EditIndex {
  EditMap edits;                     // by path
  std::vector<std::string> applied;  // paths, oldest first
  std::uint64_t slots = 0;           // so many content files there may be
  bool operator==(const EditIndex&) const = default;
};

std::string to_text(const EditIndex& index);
/// Throws Error(EIO) for a text that is not what to_text() gives.
EditIndex parse_edit_index(std::string_view text, const std::string& file);

}  // namespace v2vfs::fs
