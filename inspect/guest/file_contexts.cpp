// SPDX-License-Identifier: MIT
#include "inspect/guest/file_contexts.h"

#include <re2/re2.h>

#include <algorithm>

#include "inspect/base/text.h"

// RE2 matches in linear time and bounded memory, whatever the pattern; std::regex and PCRE do not.
// A policy has some 6,000 lines. Compiling all of them would take long and much memory, so a line
// is compiled when a path begins with what the line fixes, which for a path of /etc few do.

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostLines = 50'000;
constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kLongestContext = 1024;
constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::string_view kMeta = ".^$?*+|[({\\";

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kBlank); at != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlank, end);
  }
  return words;
}

template <typename Use>
void for_each_line(std::string_view text, Use use) {
  text = text.substr(0, FileContexts::kLargestFile);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() > kLongestLine || line.starts_with('#')) continue;
    const std::vector<std::string_view> words = words_of(line);
    if (!words.empty() && !words.front().starts_with('#')) use(words);
  }
}

/// "-d", "--" and the like of a line; outer nullopt: it is none.
std::optional<FileKind> kind_of(std::string_view word, bool& known) {
  known = word.size() == 2 && word[0] == '-';
  switch (known ? word[1] : '\0') {
    case '-':
      return FileKind::file;
    case 'd':
      return FileKind::directory;
    case 'l':
      return FileKind::symlink;
    case 'b':
      return FileKind::block_device;
    case 'c':
      return FileKind::character_device;
    case 'p':
      return FileKind::fifo;
    case 's':
      return FileKind::socket;
    default:
      known = false;
      return std::nullopt;
  }
}

/// Alternatives outside of any bracket: then nothing is fixed.
bool has_outer_alternatives(std::string_view pattern) {
  int depth = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '(') {
      ++depth;
    } else if (pattern[i] == ')') {
      --depth;
    } else if (pattern[i] == '|' && depth <= 0) {
      return true;
    }
  }
  return false;
}

/// What the pattern fixes at its beginning, "\." and the like undone; `whole`: that is all of it.
std::string fixed_prefix(std::string_view pattern, bool& whole) {
  std::string prefix;
  std::size_t i = 0;
  whole = false;
  while (i < pattern.size()) {
    const bool escaped = pattern[i] == '\\' && i + 1 < pattern.size() &&
                         std::string_view(".+-[](){}*?|$^\\").find(pattern[i + 1]) != kMeta.npos;
    if (!escaped && kMeta.find(pattern[i]) != kMeta.npos) break;
    const std::size_t next = i + (escaped ? 2 : 1);
    const bool optional =
        next < pattern.size() && std::string_view("?*{").find(pattern[next]) != kMeta.npos;
    if (optional) break;
    prefix.push_back(pattern[next - 1]);
    i = next;
  }
  whole = i == pattern.size();
  return prefix;
}

}  // namespace

void FileContexts::add(std::string_view text) {
  for_each_line(text, [&](const std::vector<std::string_view>& words) {
    if (lines_.size() >= kMostLines || words.size() < 2 || words.size() > 3) return;
    Line line;
    line.pattern = words.front();
    if (words.size() == 3) {
      bool known = false;
      line.kind = kind_of(words[1], known);
      if (!known) return;
    }
    if (words.back().size() > kLongestContext) return;
    if (words.back() != "<<none>>") line.context = words.back();
    line.prefix = fixed_prefix(line.pattern, line.literal);
    if (!line.literal && has_outer_alternatives(line.pattern)) line.prefix.clear();
    lines_.push_back(std::move(line));
  });
}

void FileContexts::add_substitutions(std::string_view text) {
  for_each_line(text, [&](const std::vector<std::string_view>& words) {
    if (words.size() == 2 && substitutions_.size() < 1000) {
      substitutions_.emplace_back(words[0], words[1]);
    }
  });
}

bool FileContexts::fits(const Line& line, const std::string& path, FileKind kind) const {
  if (line.kind && *line.kind != kind) return false;
  if (line.literal) return path == line.prefix;
  if (!path.starts_with(line.prefix)) return false;
  RE2::Options options(RE2::Quiet);
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_max_mem(kPatternMemory);
  options.set_dot_nl(true);
  const RE2 pattern(line.pattern, options);
  return pattern.ok() && RE2::FullMatch(path, pattern);
}

std::optional<std::string> FileContexts::find(std::string path, FileKind kind) const {
  for (const auto& [from, to] : substitutions_) {
    if (path != from && !path.starts_with(from + "/")) continue;
    path = to + path.substr(from.size());
    break;
  }
  for (const bool literal : {true, false}) {
    for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
      if (line->literal != literal || !fits(*line, path, kind)) continue;
      if (line->context.empty()) return std::nullopt;
      return line->context;
    }
  }
  return std::nullopt;
}

std::optional<std::string> selinux_policy(std::string_view config) {
  std::string mode, policy;
  for_each_line(config, [&](const std::vector<std::string_view>& words) {
    const std::string_view word = words.front();
    if (word.starts_with("SELINUX=")) mode = to_lower(word.substr(8));
    if (word.starts_with("SELINUXTYPE=")) policy = word.substr(12);
  });
  const bool is_name = std::all_of(policy.begin(), policy.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (policy.empty() || !is_name || mode.empty() || mode == "disabled") return std::nullopt;
  return policy;
}

FileContexts read_file_contexts(
    const std::function<std::string(const std::string& path)>& text_of) {
  FileContexts contexts;
  const auto policy = selinux_policy(text_of("/etc/selinux/config"));
  if (!policy) return contexts;
  const std::string files = "/etc/selinux/" + *policy + "/contexts/files/file_contexts";
  for (const char* const suffix : {"", ".homedirs", ".local"}) {
    contexts.add(text_of(files + suffix));
  }
  for (const char* const suffix : {".subs", ".subs_dist"}) {
    contexts.add_substitutions(text_of(files + suffix));
  }
  return contexts;
}

}  // namespace v2vfs::inspect
