// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/terminal.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace v2vfs::ctl {
namespace {

constexpr std::size_t kUsualColumns = 80;

const char* sequence(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::bold:
      return "1";
    case Colour::dim:
      return "2";
    case Colour::red:
      return "31";
    case Colour::green:
      return "32";
    case Colour::yellow:
      return "33";
    case Colour::cyan:
      return "36";
  }
  return "";
}

bool wants_colours() {
  const char* const no_colour = std::getenv("NO_COLOR");  // no-color.org
  const char* const term = std::getenv("TERM");
  return !(no_colour && *no_colour) && term && std::string_view(term) != "dumb";
}

std::vector<std::size_t> widths_of(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], text_columns(row[i]));
    }
  }
  return widths;
}

}  // namespace

Terminal Terminal::of(int fd) {
  const bool is_terminal = ::isatty(fd) == 1;
  winsize size{};
  const bool known = is_terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return Terminal(is_terminal, is_terminal && wants_colours(), known ? size.ws_col : kUsualColumns);
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
  if (!has_colours_ || colour == Colour::none) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", sequence(colour), text);
}

std::size_t text_columns(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = std::min(text.find('m', i), text.size());
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++columns;
    }
  }
  return columns;
}

std::string table_text(const std::vector<std::vector<std::string>>& rows,
                       const std::vector<std::size_t>& right) {
  const std::vector<std::size_t> widths = widths_of(rows);
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - text_columns(row[i]), ' ');
      const bool is_last = i + 1 == row.size();
      const bool to_right = std::ranges::find(right, i) != right.end();
      text += to_right ? padding + row[i] : row[i] + (is_last ? "" : padding);
      if (!is_last) text += "  ";
    }
    text += '\n';
  }
  return text;
}

std::string wrapped_text(std::string_view text, std::size_t columns, std::string_view indent) {
  const std::size_t first = std::min(text.find_first_not_of(' '), text.size());
  std::string out(text.substr(0, first));
  std::size_t column = first;
  for (std::size_t start = first; start < text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string_view word = text.substr(start, end - start);
    if (start == first) {
      out += word;
    } else if (column + 1 + text_columns(word) > columns) {
      out.append("\n").append(indent).append(word);
      column = text_columns(indent);
    } else {
      out.append(" ").append(word);
      ++column;
    }
    column += text_columns(word);
    start = end + 1;
  }
  return out;
}

}  // namespace v2vfs::ctl
