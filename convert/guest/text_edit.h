// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::convert {

/// The new name of a device, for an old one: nullopt where it stays as it is.
using Rename = std::function<std::optional<std::string>(std::string_view name)>;

/// A text and what is replaced in it; all other bytes stay as they are: blanks, comments, line
/// ends, the order of lines. Parts are views into the text.
class TextEdit {
 public:
  explicit TextEdit(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }
  /// Of parts that overlap the first one given counts.
  void replace(std::string_view part, std::string with);
  /// An empty part replaced: behind what `place` ends with.
  void insert_behind(std::string_view place, std::string with);
  /// Replaces a device's name, if it has a new one.
  void rename(std::string_view name, const Rename& rename);
  std::string take() const;

 private:
  struct Replacement {
    std::size_t offset;
    std::size_t length;
    std::string with;
  };
  std::string_view text_;
  std::vector<Replacement> replacements_;
};

/// Lines with their ends ("\n", "\r\n"), so that they are the whole text together.
std::vector<std::string_view> whole_lines(std::string_view text);

/// Parts of "a,b,c".
std::vector<std::string_view> list_parts(std::string_view list);

/// A line without its end.
std::string_view without_end(std::string_view line);

}  // namespace v2vfs::convert
