// SPDX-License-Identifier: MIT
#include "fs/attributes_json.h"

#include <fmt/core.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

using nlohmann::json;

std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string from_hex(const std::string& hex) {
  if (hex.size() % 2) throw std::invalid_argument("odd number of hexadecimal digits");
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

json file_to_json(const SavedAttributes& saved) {
  json object = json::object();
  if (saved.permissions) object["permissions"] = *saved.permissions;
  if (saved.uid) object["uid"] = *saved.uid;
  if (saved.gid) object["gid"] = *saved.gid;
  for (const auto& [name, value] : saved.xattrs) object["xattrs"][to_hex(name)] = to_hex(value);
  return object;
}

SavedAttributes file_from_json(const json& object) {
  SavedAttributes saved;
  if (object.contains("permissions")) saved.permissions = object["permissions"].get<mode_t>();
  if (object.contains("uid")) saved.uid = object["uid"].get<uid_t>();
  if (object.contains("gid")) saved.gid = object["gid"].get<gid_t>();
  if (object.contains("xattrs")) {
    for (const auto& [name, value] : object["xattrs"].items()) {
      saved.xattrs[from_hex(name)] = from_hex(value.get<std::string>());
    }
  }
  return saved;
}

}  // namespace

std::string attributes_to_json(const AttributesByFile& files) {
  json document = {{"version", 1}, {"files", json::object()}};
  for (const auto& [file, saved] : files) {
    if (!saved.empty()) document["files"][file] = file_to_json(saved);
  }
  return document.dump(2) + "\n";
}

AttributesByFile attributes_from_json(const std::string& text, const std::string& name) {
  try {
    const json document = json::parse(text);
    if (document.at("version") != 1)
      throw std::invalid_argument("a version this v2vfs does not know");
    AttributesByFile files;
    for (const auto& [file, object] : document.at("files").items()) {
      files[file] = file_from_json(object);
    }
    return files;
  } catch (const std::exception& e) {
    throw Error(EIO, "{}: {}. Remove the file to start with the owners of the mounter", name,
                e.what());
  }
}

}  // namespace v2vfs::fs
