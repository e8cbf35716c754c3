// SPDX-License-Identifier: MIT
#include "inspect/guest/yaml_scalars.h"

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostLevels = 16;
constexpr std::size_t kMostScalars = 10'000;

std::string unquoted(std::string_view text) {
  text = trim(text);
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.back() == text.front();
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

/// Where the ':' stands that ends the key; npos: there is no key.
std::size_t end_of_key(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == ':' && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\t')) {
      return i;
    } else if (c == '[' || c == '{') {
      return std::string_view::npos;
    }
  }
  return std::string_view::npos;
}

class YamlReader {
 public:
  std::vector<YamlScalar> read(std::string_view text) {
    for (const std::string_view raw : lines_of(text)) {
      const std::string_view line = without_comment(raw);
      if (line.empty() || line == "---") continue;
      take(line, raw.find_first_not_of(" \t"));
    }
    return std::move(found_);
  }

 private:
  struct Level {
    std::size_t indent;
    std::string key;
  };

  void take(std::string_view line, std::size_t indent) {
    bool in_list = false;
    while (line == "-" || line.starts_with("- ")) {
      const std::size_t skip = line.find_first_not_of(" \t", 1);
      if (skip == std::string_view::npos) return;
      // "- " may stand no deeper than the key of its list.
      leave(indent, true);
      line.remove_prefix(skip);
      indent += skip;
      in_list = true;
    }
    leave(indent, in_list);
    const std::size_t colon = end_of_key(line);
    if (colon == std::string_view::npos) return take_value(line);
    if (levels_.size() >= kMostLevels) return;
    levels_.push_back({indent, unquoted(line.substr(0, colon))});
    const std::string_view value = trim(line.substr(colon + 1));
    if (!value.empty()) take_value(value);
  }

  void leave(std::size_t indent, bool keep_same) {
    while (!levels_.empty() &&
           (levels_.back().indent > indent || (levels_.back().indent == indent && !keep_same))) {
      levels_.pop_back();
    }
  }

  void take_value(std::string_view value) {
    value = trim(value);
    const bool list = value.starts_with('[') && value.ends_with(']');
    const bool mapping = value.starts_with('{') && value.ends_with('}');
    if (!list && !mapping) return add(unquoted(value));
    for (std::string_view part : parts_of(value.substr(1, value.size() - 2))) {
      const std::size_t colon = end_of_key(part);
      if (colon == std::string_view::npos) {
        take_part(part);
      } else if (levels_.size() < kMostLevels) {
        levels_.push_back({npos, unquoted(part.substr(0, colon))});
        take_part(part.substr(colon + 1));
        levels_.pop_back();
      }
    }
  }

  void take_part(std::string_view part) {
    if (++nesting_ <= kMostLevels) take_value(part);
    --nesting_;
  }

  /// What the commas outside of brackets and quotes part.
  static std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t start = 0;
    std::size_t depth = 0;
    char quote = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      const char c = i < text.size() ? text[i] : ',';
      if (quote != 0 && i < text.size()) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '[' || c == '{') {
        ++depth;
      } else if ((c == ']' || c == '}') && depth > 0) {
        --depth;
      } else if (c == ',' && (depth == 0 || i == text.size())) {
        const std::string_view part = trim(text.substr(start, i - start));
        if (!part.empty()) parts.push_back(part);
        start = i + 1;
      }
    }
    return parts;
  }

  void add(std::string value) {
    if (found_.size() >= kMostScalars) return;
    YamlScalar scalar;
    for (const Level& level : levels_) scalar.path.push_back(level.key);
    scalar.value = std::move(value);
    found_.push_back(std::move(scalar));
  }

  static constexpr std::size_t npos = std::string_view::npos;
  std::vector<Level> levels_;
  std::vector<YamlScalar> found_;
  std::size_t nesting_ = 0;
};

}  // namespace

std::vector<YamlScalar> yaml_scalars(std::string_view text) { return YamlReader().read(text); }

}  // namespace v2vfs::inspect
