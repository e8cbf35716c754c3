// SPDX-License-Identifier: MIT
#include "fs/inspection_json.h"

#include <nlohmann/json.hpp>

namespace v2vfs::fs {
namespace {

using nlohmann::ordered_json;

/// Raised when inspection finds other things in the same disks.
constexpr int kFormat = 3;

}  // namespace

std::string kept_inspection_to_json(const KeptInspection& kept, const std::string& identity) {
  const ordered_json object = {{"format", kFormat},
                               {"version", V2VFS_VERSION},
                               {"identity", identity},
                               {"changes", kept.changes},
                               {"json", kept.texts.json},
                               {"xml", kept.texts.xml},
                               {"conversion", kept.texts.conversion},
                               {"capabilities", kept.texts.capabilities}};
  return object.dump(1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

std::optional<KeptInspection> kept_inspection_from_json(const std::string& text,
                                                        const std::string& identity) try {
  const auto object = ordered_json::parse(text);
  if (object.at("format") != kFormat || object.at("version") != V2VFS_VERSION ||
      object.at("identity") != identity) {
    return std::nullopt;
  }
  return KeptInspection{
      object.at("changes").get<std::uint64_t>(),
      {object.at("json").get<std::string>(), object.at("xml").get<std::string>(),
       object.at("conversion").get<std::string>(), object.at("capabilities").get<std::string>()}};
} catch (const ordered_json::exception&) {
  return std::nullopt;
}

}  // namespace v2vfs::fs
