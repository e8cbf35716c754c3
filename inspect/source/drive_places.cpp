// SPDX-License-Identifier: MIT
#include "inspect/source/drive_places.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "inspect/source/ovf_controllers.h"
#include "inspect/source/ovf_notes.h"

namespace v2vfs::inspect {
namespace {

constexpr unsigned kScsiHostUnit = 7;
constexpr unsigned kMostIndex = 26 * 27;  // "zz"

bool is_scsi(ControllerKind kind) { return ovf::family_of(kind) == ovf::Family::scsi; }

/// "", "1", "15"; nullopt for anything else.
std::optional<unsigned> parse_partition(std::string_view text) {
  unsigned value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > 255) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<std::size_t> DrivePlaces::controller(ControllerKind kind, unsigned bus_number) {
  if (bus_number > kMostBusNumber) return std::nullopt;
  const auto key = std::pair(static_cast<int>(ovf::family_of(kind)), bus_number);
  const auto [found, is_new] = by_number_.try_emplace(key, spec_.controllers.size());
  if (is_new) spec_.controllers.push_back({kind, bus_number});
  return found->second;
}

unsigned DrivePlaces::unit(std::size_t controller, unsigned wanted, const std::string& label) {
  if (wanted <= kMostUnit && taken_.emplace(controller, wanted).second) return wanted;
  const unsigned free = free_unit(controller);
  ovf::add_note(spec_.assumptions,
                fmt::format("Unit {} of drive {} is taken or beyond {}; unit {} is used.", wanted,
                            ovf::quoted(label), kMostUnit, free));
  return free;
}

unsigned DrivePlaces::free_unit(std::size_t controller) {
  const bool skips_host = is_scsi(spec_.controllers[controller].kind);
  unsigned unit = 0;
  while ((skips_host && unit == kScsiHostUnit) || !taken_.emplace(controller, unit).second) ++unit;
  return unit;
}

std::optional<DeviceName> parse_device_name(std::string_view text) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"xvd", "ubd", "hd", "sd", "vd", "fd"};
  const auto prefix = std::find_if(kPrefixes.begin(), kPrefixes.end(),
                                   [&](std::string_view each) { return text.starts_with(each); });
  if (prefix == kPrefixes.end()) return std::nullopt;
  text.remove_prefix(prefix->size());
  unsigned number = 0;  // a is 1, z 26, aa 27
  std::size_t letters = 0;
  for (; letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z'; ++letters) {
    number = number * 26 + static_cast<unsigned>(text[letters] - 'a') + 1;
    if (number > kMostIndex) return std::nullopt;
  }
  const std::optional<unsigned> partition = parse_partition(text.substr(letters));
  if (number == 0 || !partition) return std::nullopt;
  return DeviceName{std::string(*prefix), number - 1, *partition};
}

}  // namespace v2vfs::inspect
