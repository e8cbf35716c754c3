// SPDX-License-Identifier: MIT
#include "convert/domain/firmware_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace v2vfs::convert {
namespace {

using nlohmann::json;

bool lists(const json& object, const char* key, const std::string& word) {
  const json list = object.value(key, json::array());
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_for_q35(const json& target) {
  if (target.value("architecture", "") != "x86_64") return false;
  const json machines = target.value("machines", json::array());
  return std::any_of(machines.begin(), machines.end(), [](const json& machine) {
    return machine.is_string() && machine.get<std::string>().find("q35") != std::string::npos;
  });
}

}  // namespace

std::optional<std::string> secure_boot_firmware(const std::string& descriptor) try {
  const json firmware = json::parse(descriptor);
  const json targets = firmware.value("targets", json::array());
  if (!lists(firmware, "interface-types", "uefi") || !lists(firmware, "features", "secure-boot") ||
      !lists(firmware, "features", "enrolled-keys") ||
      std::none_of(targets.begin(), targets.end(), is_for_q35)) {
    return std::nullopt;
  }
  return firmware.at("mapping").at("executable").at("filename").get<std::string>();
} catch (const json::exception&) {
  return std::nullopt;
}

}  // namespace v2vfs::convert
