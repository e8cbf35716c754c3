// SPDX-License-Identifier: MIT
#include "inspect/source/source_name.h"

#include <cerrno>
#include <charconv>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kLongestName = 4096;

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw Error(EACCES, "\"{}\" is not opened: {}", clean_text(name), why);
}

void check_whole(std::string_view name) {
  if (name.empty()) refuse(name, "the name is empty");
  if (name.size() > kLongestName) refuse(name, "the name is longer than 4,096 bytes");
  if (name.find('\0') != std::string_view::npos) refuse(name, "the name holds a NUL byte");
  if (name.front() == '/') {
    refuse(name, "it is an absolute path; only files beside the descriptor are used");
  }
}

}  // namespace

std::string relative_name(std::string_view name) {
  check_whole(name);
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, slash - at);
    at = slash + 1;
    if (part == "..") refuse(name, "it leads outside the descriptor's folder");
    if (part.empty()) refuse(name, "a part of the path is empty");
    if (part == ".") continue;
    if (!out.empty()) out += '/';
    out += part;
  }
  if (out.empty()) refuse(name, "it names a folder");
  return out;
}

std::string_view folder_part(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash + 1);
}

std::string_view file_part(std::string_view name) { return name.substr(folder_part(name).size()); }

std::string_view stem_part(std::string_view name) {
  const std::string_view file = file_part(name);
  const std::size_t dot = file.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? file : file.substr(0, dot);
}

bool has_suffix(std::string_view name, std::string_view suffix) {
  return name.size() >= suffix.size() &&
         equals_ignoring_case(name.substr(name.size() - suffix.size()), suffix);
}

std::string percent_decoded(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    unsigned value = 0;
    const char* const digits = name.data() + i + 1;
    if (name[i] == '%' && i + 2 < name.size() &&
        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += name[i];
    }
  }
  return out;
}

}  // namespace v2vfs::inspect
