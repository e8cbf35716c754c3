// SPDX-License-Identifier: MIT
#include "inspect/source/xl_syntax.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"

namespace v2vfs::inspect::xl {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::size_t kMostValues = 10'000;
constexpr unsigned kMostDepth = 8;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Reader {
 public:
  Reader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  Config run() {
    if (text_.size() > kMostBytes) fail("it is larger than 1 MiB");
    if (text_.find('\0') != std::string_view::npos) fail("it is no text: it holds a NUL byte");
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    for (skip_between(); at_ < text_.size(); skip_between()) read_statement();
    return std::move(config_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n');
    throw Error(EINVAL, "{}, line {}: {}", clean_text(file_), line, why);
  }

  [[noreturn]] void fail_python() const {
    const std::size_t start = text_.rfind('\n', at_ == 0 ? 0 : at_ - 1);
    const std::size_t from = start == std::string_view::npos ? 0 : start + 1;
    const std::string_view line = text_.substr(from, text_.find('\n', at_) - from);
    fail(fmt::format("it is Python code (\"{}\"), which is not run: write what it comes to",
                     clean_text(trim(line), 80)));
  }

  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  /// Blanks, comments and a backslash before the line's end; `lines`: line ends too.
  void skip(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '\\' && text_.substr(at_ + 1).starts_with('\n')) {
        at_ += 2;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || (lines && c == '\n')) {
        ++at_;
      } else {
        return;
      }
    }
  }

  void skip_between() {
    for (skip(true); here() == ';'; skip(true)) ++at_;
  }

  std::string_view read_word() {
    const std::size_t start = at_;
    while (is_letter(here()) || is_digit(here())) ++at_;
    return text_.substr(start, at_ - start);
  }

  void read_statement() {
    if (!is_letter(here())) {
      fail(fmt::format("\"{}\" begins no `name = value`", clean_text(text_.substr(at_, 16))));
    }
    const std::string name(read_word());
    skip(false);
    const bool is_added = here() == '+';
    if (is_added) ++at_;
    if (here() != '=') fail_python();
    ++at_;
    skip(false);
    Value value = read_value(0);
    skip(false);
    if (at_ < text_.size() && here() != '\n' && here() != ';') fail_python();
    assign(name, std::move(value), is_added);
  }

  void assign(const std::string& name, Value value, bool is_added) {
    const auto known = config_.values.find(name);
    if (known == config_.values.end()) {
      config_.values.emplace(name, std::move(value));
    } else if (is_added) {
      append(known->second, std::move(value));
    } else {
      ovf::add_note(config_.assumptions,
                    fmt::format("{} is given more than once; the last counts.", clean_text(name)));
      known->second = std::move(value);
    }
  }

  void append(Value& to, Value value) const {
    if (to.kind != value.kind || to.kind == Value::Kind::number) {
      fail("`+=` joins only two lists or two texts");
    }
    to.text += value.text;
    std::move(value.items.begin(), value.items.end(), std::back_inserter(to.items));
  }

  Value read_value(unsigned depth) {
    if (++values_ > kMostValues) fail("it has more than 10,000 values");
    if (here() == '[') return read_list(depth);
    if (here() == '"' || here() == '\'') return read_texts();
    if (is_digit(here()) || here() == '-') return read_number();
    return read_name();
  }

  /// Python joins texts that stand beside each other, as C does.
  Value read_texts() {
    Value value;
    do {
      read_text(value.text);
      skip(false);
    } while (here() == '"' || here() == '\'');
    return value;
  }

  void read_text(std::string& out) {
    const char quote = here();
    const std::string triple(3, quote);
    const bool is_triple = text_.substr(at_).starts_with(triple);
    const std::string end = is_triple ? triple : std::string(1, quote);
    const std::size_t start = at_;
    at_ += end.size();
    while (!text_.substr(at_).starts_with(end)) {
      if (at_ >= text_.size() || (!is_triple && here() == '\n')) {
        at_ = start;
        fail("a text that begins here is not closed");
      }
      if (here() == '\\') {
        read_escape(out);
      } else {
        out += text_[at_++];
      }
    }
    at_ += end.size();
  }

  void read_escape(std::string& out) {
    ++at_;
    const char c = here();
    constexpr std::string_view kNames = "abfnrtv";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v";
    if (const std::size_t known = kNames.find(c); c != '\0' && known != std::string_view::npos) {
      out += kMeanings[known];
      ++at_;
    } else if (c == 'x') {
      ++at_;
      read_code(16, 2, out);
    } else if (c >= '0' && c <= '7') {
      read_code(8, 3, out);
    } else if (c == '\n') {
      ++at_;
    } else if (c == '\\' || c == '"' || c == '\'') {
      out += c;
      ++at_;
    } else {
      out += '\\';  // Python and xl keep what is no escape
    }
  }

  void read_code(int base, std::size_t most, std::string& out) {
    unsigned value = 0;
    const char* const start = text_.data() + at_;
    const char* const end = start + std::min(most, text_.size() - at_);
    const auto [stop, error] = std::from_chars(start, end, value, base);
    if (error != std::errc() || value > 255) fail("a text holds an escape that is none");
    at_ += static_cast<std::size_t>(stop - start);
    out += static_cast<char>(value);
  }

  Value read_number() {
    Value value;
    value.kind = Value::Kind::number;
    const std::size_t start = at_;
    if (here() == '-') ++at_;
    read_word();
    value.text = text_.substr(start, at_ - start);
    std::string_view digits = value.text;
    if (digits.starts_with('-')) digits.remove_prefix(1);
    const bool is_hex = digits.starts_with("0x") || digits.starts_with("0X");
    std::uint64_t number = 0;
    if (is_hex) digits.remove_prefix(2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number, is_hex ? 16 : 10);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      fail(fmt::format("\"{}\" is no number", clean_text(value.text, 40)));
    }
    if (is_hex) value.text = std::to_string(number);
    return value;
  }

  /// The names that are data in Python.
  Value read_name() {
    const std::string_view word = read_word();
    if (word == "True" || word == "False") {
      return {Value::Kind::number, word == "True" ? "1" : "0", {}};
    }
    if (word == "None") return {};
    if (word.empty()) fail("a value is missing");
    fail_python();
  }

  Value read_list(unsigned depth) {
    if (depth >= kMostDepth) fail("lists are nested deeper than 8");
    Value value;
    value.kind = Value::Kind::list;
    ++at_;
    for (skip(true); here() != ']'; skip(true)) {
      if (at_ >= text_.size()) fail("a list is not closed");
      value.items.push_back(read_value(depth + 1));
      skip(true);
      if (here() == ']') break;
      if (here() != ',') {
        if (at_ >= text_.size()) fail("a list is not closed");
        fail_python();
      }
      ++at_;
    }
    ++at_;
    return value;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  Config config_;
};

}  // namespace

Config parse_config(std::string_view text, std::string_view file) {
  return Reader(text, file).run();
}

}  // namespace v2vfs::inspect::xl
