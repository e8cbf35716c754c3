// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "fs/conversion_record.h"

namespace v2vfs::fs {
namespace {

using nlohmann::ordered_json;
using Decision = ConversionRecord::Decision;

constexpr const char* kUnsupported = "unsupported";
constexpr const char* kServe = "serve-unconverted";

}  // namespace

std::string conversion_record_to_json(const ConversionRecord& record, const std::string& key) {
  const char* const word = record.decision == Decision::unsupported ? kUnsupported
                           : record.decision == Decision::serve     ? kServe
                                                                    : "";
  const ordered_json object = {{"version", V2VFS_VERSION},
                               {"key", key},
                               {"decision", word},
                               {"promised", record.promised},
                               {"conversion", record.conversion}};
  return object.dump(1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

/// What the user decided, or was told, holds whatever the key.
ConversionRecord conversion_record_from_json(const std::string& text, const std::string& key) try {
  const auto object = ordered_json::parse(text);
  ConversionRecord record;
  record.promised = object.at("promised").get<bool>();
  if (object.at("decision") == kServe) record.decision = Decision::serve;
  if (object.at("decision") != kUnsupported || object.at("version") != V2VFS_VERSION ||
      object.at("key") != key) {
    return record;
  }
  record.decision = Decision::unsupported;
  record.conversion = object.at("conversion").get<std::string>();
  return record;
} catch (const ordered_json::exception&) {
  return {};
}

}  // namespace v2vfs::fs
