// SPDX-License-Identifier: MIT
#include "inspect/source/local_files.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kLongestName = 4096;

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw Error(EACCES, "\"{}\" is not opened: {}", clean_text(name), why);
}

/// `name` behind `folder` ("" or "a/b/") without "." and "..". Throws Error(EACCES) where it leads
/// above the folder's root.
std::string settled(const std::string& folder, std::string_view name) {
  std::vector<std::string_view> parts;
  const std::string whole = folder + std::string(name);
  const std::string_view text = whole;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
      continue;
    }
    if (parts.empty()) refuse(name, "it lies outside the folder that is given as SOURCE");
    parts.pop_back();
  }
  std::string out;
  for (const std::string_view part : parts) {
    if (!out.empty()) out += '/';
    out += part;
  }
  if (out.empty()) refuse(name, "it names a folder");
  return out;
}

void check_whole(std::string_view name) {
  if (name.empty()) refuse(name, "the name is empty");
  if (name.size() > kLongestName) refuse(name, "the name is longer than 4,096 bytes");
  if (name.find('\0') != std::string_view::npos) refuse(name, "the name holds a NUL byte");
}

}  // namespace

LocalFiles::LocalFiles(std::shared_ptr<const SourceRoot> own, std::string folder,
                       std::shared_ptr<const SourceRoots> roots)
    : own_(std::move(own)), folder_(std::move(folder)), roots_(std::move(roots)) {}

LocalFiles::Place LocalFiles::place_of(std::string_view name) const {
  check_whole(name);
  if (name.front() != '/') {
    if (!own_) refuse(name, "it is no absolute path");
    return {own_, settled(folder_, name)};
  }
  const std::string path = "/" + settled("", name);
  for (const auto& root : *roots_) {
    const std::string prefix = root->path() + "/";
    if (path.starts_with(prefix)) return {root, path.substr(prefix.size())};
  }
  refuse(name, "it lies in none of the folders that are given as SOURCE");
}

SourceFile LocalFiles::open(std::string_view name) const {
  const Place place = place_of(name);
  return FolderFiles(place.root, "").open(place.name);
}

std::vector<std::string> LocalFiles::names() const {
  if (!own_) return {};
  return FolderFiles(own_, folder_).names();
}

std::optional<std::string> LocalFiles::path_of(std::string_view name) const {
  try {
    const Place place = place_of(name);
    return place.root->path() + "/" + place.name;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace v2vfs::inspect
