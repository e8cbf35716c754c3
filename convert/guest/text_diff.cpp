// SPDX-License-Identifier: MIT
#include "convert/guest/text_diff.h"

#include <dtl/dtl.hpp>

#include <sstream>
#include <vector>

#include "convert/guest/text_edit.h"

namespace v2vfs::convert {
namespace {

/// Lines as they are printed; one without an end says so, and so differs from the same with one.
std::vector<std::string> printed_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string_view line : whole_lines(text)) {
    const bool ended = line.ends_with('\n');
    lines.emplace_back(ended ? line.substr(0, line.size() - 1) : line);
    if (!ended) lines.back() += "\n\\ No newline at end of file";
  }
  return lines;
}

/// A file that comes or goes: the library counts its lines from 1 where patch(1) wants 0.
std::string whole_hunk(const std::vector<std::string>& lines, char sign) {
  const std::string range = "1," + std::to_string(lines.size());
  std::string out = sign == '+' ? "@@ -0,0 +" + range + " @@\n" : "@@ -" + range + " +0,0 @@\n";
  for (const std::string& line : lines) out += sign + line + "\n";
  return out;
}

std::string hunks(std::string_view before, std::string_view after) {
  if (before.empty()) return whole_hunk(printed_lines(after), '+');
  if (after.empty()) return whole_hunk(printed_lines(before), '-');
  dtl::Diff<std::string> diff(printed_lines(before), printed_lines(after));
  diff.onHuge();
  diff.compose();
  diff.composeUnifiedHunks();
  std::ostringstream out;
  diff.printUnifiedFormat(out);
  return out.str();
}

}  // namespace

std::string unified_diff(const std::string& old_name, std::string_view before,
                         const std::string& new_name, std::string_view after) {
  if (before == after) return "";
  return "--- " + old_name + "\n+++ " + new_name + "\n" + hunks(before, after);
}

}  // namespace v2vfs::convert
