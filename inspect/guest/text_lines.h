// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The small grammars that most configuration files share. Pure; at most kLinesOfAFile lines of a
/// text.
namespace v2vfs::inspect {

/// Lines without their ends ("\n" or "\r\n").
std::vector<std::string_view> lines_of(std::string_view text);

/// Words between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line);

/// The part of a line before an unquoted '#', trimmed.
std::string_view without_comment(std::string_view line);

/// Words as a shell splits them: quotes and backslashes taken away, nothing expanded.
std::vector<std::string> shell_words(std::string_view line);

/// NAME=VALUE lines as os-release(5) and /etc/sysconfig have them (quotes taken away, no expansion;
/// the last one wins). "export " in front is allowed.
std::map<std::string, std::string> assignments_of(std::string_view text);

/// Sections of an INI-like text (NetworkManager keyfiles, systemd units): (section, key, value) in
/// order. Comments are lines that start with '#' or ';'.
struct IniLine {
  std::string section;
  std::string key;
  std::string value;
};
std::vector<IniLine> ini_lines(std::string_view text);

/// A decimal number at the start of a text, at most nine digits.
struct LeadingNumber {
  unsigned value = 0;
  std::size_t digits = 0;  // 0: there is none
};
LeadingNumber leading_number(std::string_view text);

/// Joins two path parts with exactly one slash between them.
std::string join_path(std::string_view folder, std::string_view name);

/// "a/b" of "a/b/c", "c" of it.
std::string_view base_name(std::string_view path);

}  // namespace v2vfs::inspect
