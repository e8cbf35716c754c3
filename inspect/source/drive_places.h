// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "inspect/model.h"

namespace v2vfs::inspect {

constexpr std::size_t kMostDrives = 512;
constexpr unsigned kMostBusNumber = 63;
constexpr unsigned kMostUnit = 255;

/// Makes a machine's controllers as its drives ask for them, and gives each drive a unit of its
/// own.
class DrivePlaces {
 public:
  explicit DrivePlaces(MachineSpec& spec) : spec_(spec) {}

  /// The controller with that number in the kind's family, made if there is none; the first to ask
  /// says its kind. nullopt beyond kMostBusNumber.
  std::optional<std::size_t> controller(ControllerKind kind, unsigned bus_number);

  /// `wanted`, or the next unit that is free, with a sentence about `label`.
  unsigned unit(std::size_t controller, unsigned wanted, const std::string& label);
  /// The first that is free; never 7 on SCSI, which is the adapter itself.
  unsigned free_unit(std::size_t controller);

 private:
  MachineSpec& spec_;
  std::map<std::pair<int, unsigned>, std::size_t> by_number_;  // (family, number)
  std::set<std::pair<std::size_t, unsigned>> taken_;
};

/// A disk's name in its guest: "hdc", "sdab", "xvda1", "vdb".
struct DeviceName {
  std::string prefix;      // "hd", "sd", "xvd", "vd", "fd", "ubd"
  unsigned index = 0;      // a is 0
  unsigned partition = 0;  // 0: the whole disk
};

/// nullopt for what is no such name.
std::optional<DeviceName> parse_device_name(std::string_view text);

}  // namespace v2vfs::inspect
