// SPDX-License-Identifier: MIT
#include "inspect/source/source_json.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "inspect/base/text.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestPath = 16 << 10;  // 4,096 bytes, each escaped

Json text_of(const std::string& text) { return clean_text(text); }
Json path_of(const std::string& path) { return clean_text(path, kLongestPath); }

Json text_or_null(const std::optional<std::string>& text) {
  return text ? text_of(*text) : Json(nullptr);
}
Json path_or_null(const std::optional<std::string>& path) {
  return path ? path_of(*path) : Json(nullptr);
}
template <typename Number>
Json number_or_null(const std::optional<Number>& number) {
  return number ? Json(*number) : Json(nullptr);
}

/// Sentences of ours, in which foreign text is cut already: room for some quotations.
Json sentences(const std::vector<std::string>& list) {
  Json array = Json::array();
  for (const std::string& sentence : list) array.push_back(clean_text(sentence, 2048));
  return array;
}

template <typename List, typename Make>
Json array_of(const List& list, Make make) {
  Json array = Json::array();
  for (const auto& each : list) array.push_back(make(each));
  return array;
}

Json problem_object(const Problem& problem) {
  return {{"code", problem.code},
          {"severity", word(problem.severity)},
          {"what", clean_text(problem.what, 8192)},
          {"fix", clean_text(problem.fix, 2048)}};
}

Json controller_object(const ControllerSpec& controller) {
  return {{"kind", word(controller.kind)},
          {"bus_number", controller.bus_number},
          {"pci_slot", number_or_null(controller.pci_slot)}};
}

Json disk_object(const DiskSpec& disk) {
  return {{"id", text_of(disk.id)},
          {"file", path_or_null(disk.file)},
          {"parents", array_of(disk.parents, path_of)},
          {"format", word(disk.format)},
          {"capacity_bytes", number_or_null(disk.capacity_bytes)},
          {"file_bytes", number_or_null(disk.file_bytes)},
          {"controller", number_or_null(disk.controller)},
          {"unit", disk.unit},
          {"boot_order", number_or_null(disk.boot_order)},
          {"read_only", disk.read_only},
          {"serial", text_of(disk.serial)}};
}

Json removable_object(const RemovableSpec& drive) {
  return {{"kind", word(drive.kind)},
          {"file", path_or_null(drive.file)},
          {"controller", number_or_null(drive.controller)},
          {"unit", drive.unit}};
}

Json nic_object(const NicSpec& nic) {
  return {{"mac", text_or_null(nic.mac)},
          {"model", word(nic.model)},
          {"source_model", text_of(nic.source_model)},
          {"network", text_or_null(nic.network)},
          {"pci_slot", number_or_null(nic.pci_slot)},
          {"connected", nic.connected}};
}

Json serial_object(const SerialSpec& serial) {
  return {
      {"port", serial.port}, {"kind", text_of(serial.kind)}, {"target", text_of(serial.target)}};
}

Json snapshot_object(const SnapshotSpec& snapshot) {
  const auto disk = [](const SnapshotDisk& each) -> Json {
    return {{"file", path_of(each.file)}, {"disk", number_or_null(each.disk)}};
  };
  return {{"id", text_of(snapshot.id)},
          {"name", text_of(snapshot.name)},
          {"description", clean_multiline(snapshot.description)},
          {"parent", text_or_null(snapshot.parent)},
          {"created_unix", number_or_null(snapshot.created_unix)},
          {"is_current", snapshot.is_current},
          {"disks", array_of(snapshot.disks, disk)}};
}

Json outside_boot_or_null(const std::optional<OutsideBoot>& boot) {
  if (!boot) return nullptr;
  return {{"bootloader", text_of(boot->bootloader)},
          {"kernel", path_of(boot->kernel)},
          {"initrd", path_of(boot->initrd)},
          {"cmdline", clean_text(boot->cmdline, 4096)}};
}

Json machine_object(const MachineSpec& spec) {
  return {{"name", text_of(spec.name)},
          {"id", text_of(spec.id)},
          {"source_kind", spec.source_kind},
          {"uuid", text_or_null(spec.uuid)},
          {"description", clean_multiline(spec.description)},
          {"os_type", text_of(spec.os_type)},
          {"memory_bytes", spec.memory_bytes},
          {"vcpus", spec.vcpus},
          {"cores_per_socket", number_or_null(spec.cores_per_socket)},
          {"firmware", word(spec.firmware)},
          {"secure_boot", spec.secure_boot},
          {"tpm", spec.tpm},
          {"nvram_file", path_or_null(spec.nvram_file)},
          {"genid", text_or_null(spec.genid)},
          {"localtime", spec.localtime ? Json(*spec.localtime) : Json(nullptr)},
          {"guest_type", word(spec.guest_type)},
          {"outside_boot", outside_boot_or_null(spec.outside_boot)},
          {"controllers", array_of(spec.controllers, controller_object)},
          {"disks", array_of(spec.disks, disk_object)},
          {"removables", array_of(spec.removables, removable_object)},
          {"nics", array_of(spec.nics, nic_object)},
          {"serials", array_of(spec.serials, serial_object)},
          {"snapshots", array_of(spec.snapshots, snapshot_object)},
          {"assumptions", sentences(spec.assumptions)},
          {"ignored", sentences(spec.ignored)},
          {"problems", array_of(spec.problems, problem_object)}};
}

/// Descriptor and id of a machine -> its folder in the mount.
using Folders = std::map<std::pair<std::string, std::string>, std::string>;

Folders folders_of(const FoundSource& source) {
  Folders folders;
  for (const FoundMachine& machine : source.machines) {
    folders.try_emplace({machine.descriptor_path, machine.spec.id}, machine.folder);
  }
  return folders;
}

Json appliance_object(const FoundAppliance& appliance, const Folders& folders) {
  const ApplianceSpec& spec = appliance.spec;
  const auto network = [](const NetworkSpec& each) -> Json {
    return {{"name", text_of(each.name)}, {"description", clean_multiline(each.description)}};
  };
  const auto startup = [&](const StartupItem& item) -> Json {
    const auto folder = folders.find({appliance.descriptor_path, item.machine_id});
    return {{"vm", text_of(folder == folders.end() ? item.machine_id : folder->second)},
            {"order", item.order},
            {"start_delay_s", item.start_delay_s},
            {"stop_delay_s", item.stop_delay_s}};
  };
  const auto property = [](const PropertySpec& each) -> Json {
    return {{"key", text_of(each.key)},
            {"type", text_of(each.type)},
            {"value", clean_multiline(each.value)}};
  };
  return {{"name", text_of(spec.name)},
          {"networks", array_of(spec.networks, network)},
          {"startup", array_of(spec.startup, startup)},
          {"properties", array_of(spec.properties, property)}};
}

Json appliance_objects(const FoundSource& source) {
  const Folders folders = folders_of(source);
  return array_of(source.appliances, [&](const FoundAppliance& appliance) {
    Json object = appliance_object(appliance, folders);
    object["descriptor"] = path_of(appliance.descriptor_path);
    return object;
  });
}

std::string dumped(const Json& json) { return json.dump(2) + "\n"; }

}  // namespace

std::string machine_json(const MachineSpec& spec) { return dumped(machine_object(spec)); }

std::string vapp_json(const FoundSource& source) {
  const Json appliances = appliance_objects(source);
  if (appliances.size() == 1) return dumped(appliances[0]);
  Json all = {{"name", ""}};
  for (const char* const key : {"networks", "startup", "properties"}) {
    all[key] = Json::array();
    for (const Json& appliance : appliances) {
      for (const Json& each : appliance[key]) all[key].push_back(each);
    }
  }
  all["appliances"] = appliances;
  return dumped(all);
}

std::string check_json(const FoundSource& source) {
  const auto machine = [](const FoundMachine& found) {
    Json object = machine_object(found.spec);
    object["folder"] = found.folder;
    object["descriptor"] = path_of(found.descriptor_path);
    return object;
  };
  return dumped({{"machines", array_of(source.machines, machine)},
                 {"appliances", appliance_objects(source)},
                 {"problems", array_of(source.problems, problem_object)}});
}

}  // namespace v2vfs::inspect
