// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect::xl {

/// What a configuration file gives a name: a text, a number, or a list of such.
struct Value {
  enum class Kind { text, number, list } kind = Kind::text;
  std::string text;  // of a number its digits
  std::vector<Value> items;
};

/// A file of xl(1), or of xm(1) as long as it holds data and no program. It is read, never run.
struct Config {
  std::map<std::string, Value> values;
  std::vector<std::string> assumptions;
};

/// Grammar (xl.cfg(5), "SYNTAX"): `name = value`, `name += value`, separated by line ends or ';';
/// '...' and "..." with the escapes of C, """...""" of Python; [a, b, c] over several lines; '#'
/// comments. Throws Error(EINVAL) with a sentence that begins with `file` and the line, for
/// anything else: Python code, more than 1 MiB, 10,000 values or lists nested deeper than 8.
Config parse_config(std::string_view text, std::string_view file);

}  // namespace v2vfs::inspect::xl
