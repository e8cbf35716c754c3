// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <span>
#include <string>

namespace v2vfs::inspect::testing {

struct Row {
  const char* what;
  const char* pattern;  // RE2, of a whole text, without regard to case; [^] is any byte
};

/// Prints how many of `texts` (by name) have each row, with their names if V2VFS_MATRIX is in the
/// environment, and fails for a row that none has.
void expect_no_empty_row(const char* kind, std::span<const Row> rows,
                         const std::map<std::string, std::string>& texts);

}  // namespace v2vfs::inspect::testing
