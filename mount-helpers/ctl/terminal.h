// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::ctl {

enum class Colour { none, bold, dim, red, green, yellow, cyan };

/// One of the standard streams: what it can show.
class Terminal {
 public:
  /// Asks the system: is it a terminal, how wide, and does the user want colours (NO_COLOR, TERM).
  static Terminal of(int fd);
  Terminal(bool is_terminal, bool has_colours, std::size_t columns)
      : is_terminal_(is_terminal), has_colours_(has_colours), columns_(columns) {}

  bool is_terminal() const { return is_terminal_; }
  std::size_t columns() const { return columns_; }
  /// The text in this colour where colours are shown, else as it is.
  std::string paint(Colour colour, std::string_view text) const;

 private:
  bool is_terminal_;
  bool has_colours_;
  std::size_t columns_;
};

/// How many columns a text of valid UTF-8 takes: a code point is one, escape sequences are none.
std::size_t text_columns(std::string_view text);

/// Rows of cells with aligned columns, two blanks between them; the last cell is never padded.
/// Columns named in `right` are aligned to the right.
std::string table_text(const std::vector<std::vector<std::string>>& rows,
                       const std::vector<std::size_t>& right = {});

/// The text in lines of at most `columns`, broken at blanks, each but the first behind `indent`.
std::string wrapped_text(std::string_view text, std::size_t columns, std::string_view indent);

}  // namespace v2vfs::ctl
