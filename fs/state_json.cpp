// SPDX-License-Identifier: MIT
#include "fs/state_json.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {

using nlohmann::ordered_json;

std::string state_to_json(const StateRecord& record) {
  ordered_json document = {{"version", 1},
                           {"identity", record.identity},
                           {"machine", clean_text(record.machine)},
                           {"machine_id", clean_text(record.machine_id)},
                           {"source", clean_text(record.source, 4096)},
                           {"files", ordered_json::array()}};
  for (const StateRecord::File& file : record.files) {
    document["files"].push_back({{"name", clean_text(file.name, 4096)}, {"bytes", file.bytes}});
  }
  return document.dump(2) + "\n";
}

StateRecord state_from_json(const std::string& text, const std::string& name) {
  try {
    const ordered_json document = ordered_json::parse(text);
    if (document.at("version") != 1) throw std::invalid_argument("made by a later v2vfs");
    StateRecord record{document.at("identity"),
                       document.at("machine"),
                       document.at("machine_id"),
                       document.at("source"),
                       {}};
    for (const ordered_json& file : document.at("files")) {
      record.files.push_back({file.at("name"), file.at("bytes")});
    }
    return record;
  } catch (const std::exception& e) {
    throw Error(EIO, "{}: {}", name, e.what());
  }
}

}  // namespace v2vfs::fs
