// SPDX-License-Identifier: MIT
#include "tests/unit/facts/made_up_guest.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace v2vfs::test {

using namespace inspect;
using Json = nlohmann::json;

namespace {

const std::string kMake = std::string(V2VFS_GOLDEN_GUESTS) + "/make.py";

BlockKind kind_of(const std::string& word) {
  if (word == "disk") return BlockKind::disk;
  if (word == "partition") return BlockKind::partition;
  if (word == "logical_volume") return BlockKind::logical_volume;
  if (word == "md_array") return BlockKind::md_array;
  return BlockKind::luks_mapping;
}

Storage storage_of(const Json& json) {
  Storage storage;
  for (const Json& d : json["devices"]) {
    storage.devices.push_back({d["name"], kind_of(d["kind"]),
                               d.value("below", std::vector<std::string>()), d["bytes"],
                               d.value("type", ""), d.value("uuid", ""), d.value("label", "")});
  }
  for (const Json& t : json["tables"]) {
    storage.tables.push_back({t["disk"], t["index"].get<std::size_t>(), t["kind"], t["disk_id"]});
  }
  for (const Json& p : json["partitions"]) {
    PartitionEntry entry;
    entry.device = p["device"];
    entry.disk = p["disk"];
    entry.number = p["number"];
    entry.start_bytes = p["start_bytes"];
    entry.bytes = p["bytes"];
    entry.gpt_type = p["gpt_type"];
    entry.partuuid = p["partuuid"];
    entry.partlabel = p["partlabel"];
    storage.partitions.push_back(entry);
  }
  for (const Json& v : json["volumes"]) {
    storage.volumes.push_back({v["device"], v["group"], v["name"], v["uuid"]});
  }
  return storage;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

FolderGuest::Says::Key key_of(const Json& json) {
  FolderGuest::Says::Key key;
  key.keys = json["keys"].get<std::vector<std::string>>();
  for (const auto& [name, value] : json["values"].items()) {
    key.values[name] = {value["type"].get<std::uint32_t>(), from_hex(value["hex"])};
  }
  return key;
}

void take_says(const Json& json, FolderGuest::Says& says) {
  for (const auto& [device, list] : json["subvolumes"].items()) {
    for (const Json& s : list) {
      says.subvolumes[device].push_back(
          {s["id"], s["parent_id"], s["path"], s["is_default"], s["is_snapshot"]});
    }
  }
  for (const auto& [device, list] : json["rpm_packages"].items()) {
    for (const Json& p : list) {
      inspect::PackageEntry& package = says.rpm_packages[device].emplace_back();
      package.name = p["name"];
      package.version = p["version"];
      package.release = p["release"];
      package.arch = p["arch"];
    }
  }
  for (const auto& [hive, keys] : json["registry"].items()) {
    for (const auto& [path, key] : keys.items()) says.registry[hive][path] = key_of(key);
  }
}

MachineSpec machine_of(const Json& json) {
  MachineSpec spec;
  spec.id = spec.name = "made-up";
  spec.memory_bytes = 1 << 30;
  spec.firmware = json["firmware"] == "uefi" ? Firmware::uefi : Firmware::bios;
  for (const Json& n : json["nics"]) {
    NicSpec nic;
    nic.model = NicModel::vmxnet3;
    nic.source_model = "VmxNet3";
    nic.mac = n["mac"].get<std::string>();
    if (!n["pci_slot"].is_null()) nic.pci_slot = n["pci_slot"].get<unsigned>();
    spec.nics.push_back(nic);
  }
  return spec;
}

}  // namespace

MadeUpGuest::MadeUpGuest(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "v2vfs-guest-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  const std::string folder = folder_ + "/guest";
  const std::string command = "python3 -B '" + kMake + "' '" + name + "' '" + folder + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("make.py failed for " + name);
  std::ifstream file(folder + "/says.json");
  const Json json = Json::parse(file);
  FolderGuest::Folders folders;
  for (const Json& each : json["folders"]) {
    folders[{each["device"], each["subvolume"]}] = folder + "/" + each["folder"].get<std::string>();
  }
  guest_ = std::make_unique<FolderGuest>(storage_of(json["storage"]), std::move(folders));
  take_says(json, guest_->says);
  machine_ = machine_of(json["machine"]);
}

MadeUpGuest::~MadeUpGuest() { std::filesystem::remove_all(folder_); }

std::vector<std::string> made_up_guests(const std::string& list) {
  std::vector<std::string> names;
  const std::string command = "python3 -B '" + kMake + "' " + list;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  for (int c = 0; pipe && (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) names.push_back(line);
  return names;
}

}  // namespace v2vfs::test
