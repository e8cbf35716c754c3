// SPDX-License-Identifier: MIT
#include "fs/status_json.h"

#include <nlohmann/json.hpp>

#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kLongestSentence = 2048;

std::string sentence(const std::string& text) { return clean_text(text, kLongestSentence); }

ordered_json sentences(const std::vector<std::string>& texts) {
  ordered_json array = ordered_json::array();
  for (const std::string& text : texts) array.push_back(sentence(text));
  return array;
}

const char* word(inspect::Severity severity) {
  switch (severity) {
    case inspect::Severity::info:
      return "info";
    case inspect::Severity::warning:
      return "warning";
    case inspect::Severity::error:
      return "error";
  }
  return "error";
}

ordered_json problem_to_json(const inspect::Problem& problem) {
  return {{"code", problem.code},
          {"severity", word(problem.severity)},
          {"what", sentence(problem.what)},
          {"fix", sentence(problem.fix)}};
}

ordered_json disk_to_json(const DiskStatus& disk) {
  ordered_json holders = ordered_json::array();
  for (const Holder& holder : disk.holders) {
    holders.push_back({{"kind", holder.writes ? "writer" : "reader"}, {"pid", holder.pid}});
  }
  ordered_json object = {{"file", disk.file},
                         {"virtual_bytes", disk.virtual_bytes},
                         {"overlay_bytes", disk.overlay_bytes},
                         {"holders", std::move(holders)},
                         {"frozen", disk.frozen}};
  object["error"] = disk.failure.empty() ? ordered_json() : ordered_json(sentence(disk.failure));
  return object;
}

ordered_json failure_to_json(const std::optional<VmStatus::Failure>& failure) {
  if (!failure) return nullptr;
  return {
      {"code", failure->code}, {"what", sentence(failure->what)}, {"fix", sentence(failure->fix)}};
}

ordered_json vm_to_json(const VmStatus& status) {
  const bool is_checking = status.integrity.state == "checking";
  ordered_json object = {{"vm", sentence(status.vm)},
                         {"state", status.state},
                         {"stage", nullptr},
                         {"bytes_done", is_checking ? status.integrity.checked_bytes : 0},
                         {"bytes_total", is_checking ? status.integrity.total_bytes : 0}};
  if (!status.stage.empty()) object["stage"] = status.stage;
  object["error"] = failure_to_json(status.failure);
  object["assumptions"] = sentences(status.assumptions);
  object["ignored"] = sentences(status.ignored);
  object["problems"] = ordered_json::array();
  for (const auto& problem : status.problems)
    object["problems"].push_back(problem_to_json(problem));
  object["disks"] = ordered_json::array();
  for (const DiskStatus& disk : status.disks) object["disks"].push_back(disk_to_json(disk));
  object["edits"] = {{"pending", sentences(status.pending_edits)},
                     {"applied", sentences(status.applied_edits)}};
  object["waiting_for"] = status.waiting_for;
  object["integrity"] = {{"state", status.integrity.state},
                         {"what", sentence(status.integrity.what)},
                         {"checked_bytes", status.integrity.checked_bytes},
                         {"signature", status.integrity.signature},
                         {"signer", sentence(status.integrity.signer)}};
  object["state_id"] = status.state_id.empty() ? ordered_json() : ordered_json(status.state_id);
  return object;
}

}  // namespace

std::string to_json(const VmStatus& status) { return vm_to_json(status).dump(2) + "\n"; }

std::string to_json(const MountStatus& status) {
  ordered_json object = {{"version", V2VFS_VERSION},
                         {"source", sentences(status.sources)},
                         {"state_dir", sentence(status.state_dir)},
                         {"vms", ordered_json::array()}};
  if (status.sources.size() == 1) object["source"] = sentence(status.sources[0]);
  for (const VmStatus& vm : status.vms) object["vms"].push_back(vm_to_json(vm));
  return object.dump(2) + "\n";
}

}  // namespace v2vfs::fs
