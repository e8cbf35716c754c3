// SPDX-License-Identifier: MIT
#include "inspect/source/vmx_dictionary.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/vmx_encoding.h"

namespace v2vfs::inspect::vmx {
namespace {

using ovf::add_note;
using ovf::quoted;

constexpr std::size_t kMostBytes = 8 << 20;
constexpr std::size_t kMostLines = 100'000;
constexpr unsigned kMostNumber = 999;

[[noreturn]] void refuse(std::string_view file, std::string_view why) {
  throw Error(EINVAL, "{}: {}", clean_text(file), why);
}

/// "|22" is a quotation mark.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '|' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// A value that begins with a quotation mark has not come to its end.
bool is_open(std::string_view value) {
  return value.starts_with('"') && value.find('"', 1) == std::string_view::npos;
}

std::optional<unsigned> leading_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMostNumber) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Lines, those that go on joined.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  bool next(std::string& line) {
    if (text_.empty()) return false;
    line = take();
    while (line.ends_with('\\') && !text_.empty() && goes_on(line)) {
      line.pop_back();
      line += take();
    }
    return true;
  }
  std::size_t number() const { return number_; }

 private:
  static bool goes_on(std::string_view line) {
    const std::size_t equals = line.find('=');
    return equals != std::string_view::npos && is_open(trim(line.substr(equals + 1)));
  }

  std::string take() {
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    ++number_;
    while (line.ends_with('\r')) line.remove_suffix(1);
    return std::string(line);
  }

  std::string_view text_;
  std::size_t number_ = 0;
};

}  // namespace

Dictionary::Dictionary(std::string_view bytes, std::string_view file) {
  if (bytes.size() > kMostBytes) refuse(file, "it is larger than 8 MiB");
  if (bytes.starts_with("KDMV") || bytes.starts_with("COWD")) {
    refuse(file, "it is a VMDK disk, no description of a machine");
  }
  if (bytes.find('\0') != std::string_view::npos) {
    refuse(file, "it is no text: it holds a NUL byte");
  }
  const std::string text = decode(bytes, assumptions_);
  Lines lines(text);
  for (std::string line; lines.next(line);) {
    if (lines.number() > kMostLines) refuse(file, "it has more than 100,000 lines");
    add_line(line, lines.number());
  }
  if (values_.empty()) refuse(file, "it is no VMX: no line is of the form key = \"value\"");
}

void Dictionary::add_line(std::string_view line, std::size_t number) {
  line = trim(line);
  if (line.empty() || line.starts_with('#')) return;
  const std::size_t equals = line.find('=');
  const std::string key = to_lower(trim(line.substr(0, std::min(equals, line.size()))));
  if (equals == std::string_view::npos || key.empty() ||
      key.find_first_of(" \t\"") != std::string::npos) {
    return add_note(assumptions_,
                    fmt::format("Line {} is no key = \"value\"; it is passed over.", number));
  }
  std::string_view value = trim(line.substr(equals + 1));
  if (is_open(value)) {
    add_note(assumptions_, fmt::format("The quotation mark in line {} is never closed.", number));
    value.remove_prefix(1);
  } else if (value.starts_with('"')) {
    value = value.substr(1, value.find('"', 1) - 1);
  }
  add(key, unescaped(value));
}

void Dictionary::add(const std::string& key, std::string value) {
  const auto [known, is_new] = values_.try_emplace(key, std::move(value));
  if (is_new) return;
  add_note(assumptions_, fmt::format("The key {} is there more than once; the first, {}, counts.",
                                     quoted(key), quoted(known->second)));
}

std::optional<std::string> Dictionary::find(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  used_.insert(key);
  return found->second;
}

std::string Dictionary::text(const std::string& key) const { return find(key).value_or(""); }

bool Dictionary::flag(const std::string& key, bool otherwise) const {
  const std::optional<std::string> value = find(key);
  if (!value) return otherwise;
  if (ovf::parse_flag(*value)) return true;
  const std::string lower = to_lower(trim(*value));
  return lower == "false" || lower == "0" || lower == "no" || lower == "off" ? false : otherwise;
}

std::optional<std::uint64_t> Dictionary::number(const std::string& key) const {
  const std::optional<std::string> value = find(key);
  return value ? ovf::parse_count(*value) : std::nullopt;
}

std::set<unsigned> Dictionary::numbers_of(std::string_view stem) const {
  std::set<unsigned> found;
  for (auto each = values_.lower_bound(std::string(stem));
       each != values_.end() && each->first.starts_with(stem); ++each) {
    std::string_view rest = std::string_view(each->first).substr(stem.size());
    const std::optional<unsigned> number = leading_number(rest);
    if (number && (rest.starts_with('.') || rest.starts_with(':'))) found.insert(*number);
  }
  return found;
}

std::set<std::pair<unsigned, unsigned>> Dictionary::places_of(std::string_view stem) const {
  std::set<std::pair<unsigned, unsigned>> found;
  for (auto each = values_.lower_bound(std::string(stem));
       each != values_.end() && each->first.starts_with(stem); ++each) {
    std::string_view rest = std::string_view(each->first).substr(stem.size());
    const std::optional<unsigned> bus = leading_number(rest);
    if (!bus || !rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    const std::optional<unsigned> unit = leading_number(rest);
    if (unit && rest.starts_with('.')) found.emplace(*bus, *unit);
  }
  return found;
}

void Dictionary::use_all(std::string_view prefix) const {
  for (auto each = values_.lower_bound(std::string(prefix));
       each != values_.end() && each->first.starts_with(prefix); ++each) {
    used_.insert(each->first);
  }
}

std::vector<std::string> Dictionary::unused() const {
  std::set<std::string> stems;
  for (const auto& [key, value] : values_) {
    if (!used_.contains(key)) stems.insert(key.substr(0, key.find_first_of(".:", 1)));
  }
  return {stems.begin(), stems.end()};
}

}  // namespace v2vfs::inspect::vmx
