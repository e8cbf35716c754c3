// SPDX-License-Identifier: MIT
#include <cerrno>
#include <nlohmann/json.hpp>

#include "fs/overlay/run_record.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kDigestLine = 65;  // 64 digits and a line feed

}  // namespace

std::string run_record_to_text(const RunRecord& record) {
  ordered_json document = {{"version", 1},
                           {"run", record.run},
                           {"outcome", record.outcome},
                           {"capabilities", record.capabilities},
                           {"changes", record.changes},
                           {"disks", ordered_json::array()}};
  for (const RunRecord::Disk& disk : record.disks) {
    document["disks"].push_back({{"base_bytes", disk.base_bytes}, {"bytes", disk.bytes}});
  }
  const std::string text =
      document.dump(2, ' ', true, ordered_json::error_handler_t::replace) + "\n";
  return text + Digest().add(text).hex() + "\n";
}

RunRecord run_record_from_text(const std::string& text, const std::string& file) try {
  if (text.size() < kDigestLine) throw std::invalid_argument("it is cut off");
  const std::string body = text.substr(0, text.size() - kDigestLine);
  if (text.substr(body.size()) != Digest().add(body).hex() + "\n") {
    throw std::invalid_argument("its checksum is wrong");
  }
  const ordered_json document = ordered_json::parse(body);
  if (document.at("version") != 1) throw std::invalid_argument("made by a later v2vfs");
  RunRecord record{document.at("run"),
                   document.at("outcome"),
                   document.at("capabilities"),
                   {},
                   document.at("changes")};
  for (const ordered_json& disk : document.at("disks")) {
    record.disks.push_back({disk.at("base_bytes"), disk.at("bytes")});
  }
  return record;
} catch (const std::exception& e) {
  throw Error(EIO, "{}: {}; put it back from a backup, or reset the VM", file, e.what());
}

}  // namespace v2vfs::fs
