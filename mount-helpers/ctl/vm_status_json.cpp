// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

VmStatus::Trouble trouble(const Json& object) {
  return {text_or_empty(object, "code"), text_or_empty(object, "what"),
          text_or_empty(object, "fix")};
}

DiskStatus disk(const Json& object) {
  DiskStatus disk{object.at("file"),
                  object.at("virtual_bytes"),
                  object.at("overlay_bytes"),
                  object.value("frozen", false),
                  {},
                  {}};
  for (const Json& holder : object.at("holders")) {
    const bool writes = holder.at("kind") == "writer";
    (writes ? disk.writers : disk.readers).push_back(holder.at("pid"));
  }
  return disk;
}

VmStatus vm(const Json& object) {
  VmStatus vm;
  vm.name = object.at("vm");
  vm.state = object.at("state");
  vm.stage = text_or_empty(object, "stage");
  vm.done_bytes = object.at("bytes_done");
  vm.total_bytes = object.at("bytes_total");
  if (object.at("error").is_object()) vm.error = trouble(object.at("error"));
  vm.assumptions = object.at("assumptions");
  for (const Json& each : object.value("problems", Json::array())) {
    vm.problems.push_back(trouble(each));
  }
  for (const Json& each : object.at("disks")) vm.disks.push_back(disk(each));
  vm.pending_edits = object.at("edits").at("pending");
  vm.waiting_for = object.at("waiting_for").get<std::vector<pid_t>>();
  const Json& integrity = object.at("integrity");
  vm.integrity = text_or_empty(integrity, "state");
  vm.integrity_what = text_or_empty(integrity, "what");
  return vm;
}

std::vector<std::string> sources(const Json& source) {
  if (source.is_string()) return {source.get<std::string>()};
  return source.get<std::vector<std::string>>();
}

[[noreturn]] void not_understood(const std::string& name, const std::exception& e) {
  throw Error(EIO, "{} is not understood ({}); are v2vfs and v2vfsctl of one version?", name,
              e.what());
}

}  // namespace

MountStatus parse_mount_status(const std::string& text, const std::string& name) try {
  const Json object = Json::parse(text);
  MountStatus status{
      object.at("version"), sources(object.at("source")), object.at("state_dir"), {}};
  for (const Json& each : object.at("vms")) status.vms.push_back(vm(each));
  return status;
} catch (const nlohmann::json::exception& e) {
  not_understood(name, e);
}

VmStatus read_vm_status(const std::string& mountpoint, const std::string& name) {
  const std::string path = mountpoint + "/" + name + "/status.json";
  try {
    return vm(Json::parse(read_text(path)));
  } catch (const nlohmann::json::exception& e) {
    not_understood(path, e);
  }
}

std::string chosen_status(const std::string& text, const std::string& mountpoint,
                          const std::vector<std::string>& vms, bool pretty) try {
  const Json whole = Json::parse(text);
  Json chosen = {{"mountpoint", mountpoint}};
  for (const auto& [key, value] : whole.items()) {
    if (key != "vms") chosen[key] = value;
  }
  chosen["vms"] = Json::array();
  for (const Json& each : whole.at("vms")) {
    const std::string name = each.at("vm");
    if (vms.empty() || std::ranges::find(vms, name) != vms.end()) chosen["vms"].push_back(each);
  }
  return chosen.dump(pretty ? 2 : -1);
} catch (const nlohmann::json::exception& e) {
  not_understood(mountpoint + "/status.json", e);
}

}  // namespace v2vfs::ctl
