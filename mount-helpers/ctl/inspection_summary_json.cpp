// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/inspection_summary.h"

namespace v2vfs::ctl {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
T value_or(const Json& object, const char* key, T otherwise) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? otherwise : found->get<T>();
}

std::string text_of(const Json& object, const char* key) {
  return value_or<std::string>(object, key, "");
}

void read_machine(const Json& machine, InspectionSummary& summary) {
  summary.source_kind = text_of(machine, "source_kind");
  summary.firmware = text_of(machine, "firmware");
  summary.memory_bytes = value_or<std::uint64_t>(machine, "memory_bytes", 0);
  summary.vcpus = value_or<unsigned>(machine, "vcpus", 0);
  for (const Json& disk : machine.at("disks")) {
    summary.disks.push_back(
        {text_of(disk, "file"), value_or<std::uint64_t>(disk, "capacity_bytes", 0)});
  }
  for (const Json& nic : machine.at("nics")) {
    summary.cards.push_back({text_of(nic, "model"), text_of(nic, "mac"), text_of(nic, "network")});
  }
}

InspectionSummary::Filesystem filesystem(const Json& object) {
  const bool has_space = object.at("bytes").is_number();
  return {text_of(object, "mountpoint"),
          text_of(object, "type"),
          text_of(object, "device"),
          has_space ? object.at("bytes").get<std::uint64_t>()
                    : value_or<std::uint64_t>(object, "device_bytes", 0),
          value_or<std::uint64_t>(object, "free_bytes", 0),
          has_space};
}

InspectionSummary::Kernel kernel(const Json& object) {
  const Json& initrd = object.at("initrd");
  bool builtin = false;
  for (const Json& driver : object.at("drivers")) {
    const std::string name = driver.at("name");
    builtin |= (name == "virtio_blk" || name == "virtio_scsi") && driver.at("state") == "builtin";
  }
  return {text_of(object, "version"), object.at("is_default"), initrd.is_object(),
          builtin || (initrd.is_object() && initrd.at("has_virtio").get<bool>())};
}

void read_items(const Json& items, InspectionSummary& summary) {
  for (const Json& item : items) {
    const std::string name = text_of(item, "name");
    if (name.empty() || std::ranges::find(summary.tools, name) != summary.tools.end()) continue;
    summary.tools.push_back(name);
  }
}

void read_guest(const Json& guest, InspectionSummary& summary) {
  summary.has_guest = true;
  summary.system = text_of(guest, "product_name");
  if (summary.system.empty()) summary.system = text_of(guest, "distro");
  summary.arch = text_of(guest, "arch");
  summary.hostname = text_of(guest, "hostname");
  summary.osinfo = text_of(guest, "osinfo");
  summary.package_format = text_of(guest, "package_format");
  summary.packages = guest.at("applications").size();
  for (const Json& each : guest.at("filesystems")) summary.filesystems.push_back(filesystem(each));
  for (const Json& each : guest.at("kernels")) summary.kernels.push_back(kernel(each));
  for (const Json& each : guest.at("network")) {
    summary.network.push_back({text_of(each, "name"), text_of(each, "mac"), text_of(each, "method"),
                               each.at("addresses"), each.at("gateways")});
  }
  read_items(guest.at("hypervisor_items"), summary);
}

}  // namespace

std::size_t InspectionSummary::count(const std::string& severity) const {
  return static_cast<std::size_t>(std::ranges::count(readiness, severity, &Readiness::severity));
}

InspectionSummary parse_inspection(const std::string& text, const std::string& name) try {
  const Json object = Json::parse(text);
  InspectionSummary summary;
  summary.as_of = text_of(object, "as_of");
  read_machine(object.at("source"), summary);
  summary.guests = object.at("guests").size();
  if (object.at("chosen").is_number()) {
    read_guest(object.at("guests").at(object.at("chosen").get<std::size_t>()), summary);
  }
  for (const Json& each : object.at("readiness")) {
    summary.readiness.push_back({text_of(each, "code"), text_of(each, "severity"),
                                 text_of(each, "what"), text_of(each, "fix")});
  }
  return summary;
} catch (const nlohmann::json::exception& e) {
  throw Error(EIO, "{} is not understood ({}); are v2vfs and v2vfsctl of one version?", name,
              e.what());
}

}  // namespace v2vfs::ctl
