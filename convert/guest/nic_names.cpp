// SPDX-License-Identifier: MIT
#include "convert/guest/nic_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::leading_number;

constexpr unsigned kFirstExpressBridge = 4;  // pciBridge4 at 00:15, eight functions each
constexpr unsigned kLastExpressBridge = 7;

/// Digits only, in the whole of the text.
std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && !text.empty() ? std::optional(value) : std::nullopt;
}

/// "p11s0", "P0p11s0f0", "s192", "s192f0", "o1": what follows "en", "em" or "p".
bool is_numbered(std::string_view rest, std::string_view letters) {
  bool digits = false;
  for (const char c : rest) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && letters.find(c) == std::string_view::npos) return false;
    digits = digits || digit;
  }
  return digits;
}

}  // namespace

std::optional<VmwarePlace> vmware_place(unsigned pci_slot_number) {
  const unsigned device = pci_slot_number & 31;
  const unsigned bus = pci_slot_number >> 5 & 31;
  const unsigned function = pci_slot_number >> 10;
  if (bus == 0 && function == 0) return VmwarePlace{0, device, std::nullopt};
  const unsigned bridge = bus - 1;
  if (bridge == 0 && function == 0) return VmwarePlace{2, device, 32 + device};
  if (bridge < kFirstExpressBridge || bridge > kLastExpressBridge || function > 7) {
    return std::nullopt;
  }
  const unsigned first_bus = 3 + 8 * (bridge - kFirstExpressBridge);
  return VmwarePlace{first_bus + function, device, bus * 32 + device + function};
}

std::string predictable_name(const VmwarePlace& place) {
  if (place.slot) return fmt::format("ens{}", *place.slot);
  return fmt::format("enp{}s{}", place.bus, place.device);
}

bool is_name_at(std::string_view name, const VmwarePlace& place) {
  if (name == predictable_name(place)) return true;
  if (name == fmt::format("enp{}s{}", place.bus, place.device)) return true;
  const auto index = name.starts_with("eno") ? number(name.substr(3)) : std::nullopt;
  return index && *index > 0xffffff && (*index & 0xffffff) == (place.bus << 8 | place.device << 3);
}

bool is_card_name(std::string_view name) {
  if (name.starts_with("eth")) return number(name.substr(3)).has_value();
  if (name.starts_with("enx")) {
    return name.size() == 15 && name.find_first_not_of("0123456789abcdef", 3) == name.npos;
  }
  if (name.starts_with("em")) return number(name.substr(2)).has_value();
  if (name.starts_with("en")) {
    return name.size() > 3 && std::string_view("opsP").find(name[2]) != std::string_view::npos &&
           is_numbered(name.substr(3), "spfdnPp");
  }
  return name.starts_with('p') && name.find('p', 1) != std::string_view::npos &&
         is_numbered(name.substr(1), "p");
}

std::optional<unsigned> kernel_card_number(std::string_view name) {
  return name.starts_with("eth") ? number(name.substr(3)) : std::nullopt;
}

std::tuple<std::string, unsigned, unsigned> card_order(std::string_view name) {
  const std::size_t digits = std::min(name.find_first_of("0123456789"), name.size());
  const unsigned value = leading_number(name.substr(digits)).value;
  const std::string start(name.substr(0, digits));
  if (start == "ens" && value >= 160) return {start, value & 31, value >> 5};
  // "enp11s0": the bus, then the rest of it.
  const std::size_t next = name.find_first_not_of("0123456789", digits);
  const unsigned second = next == std::string_view::npos || next + 1 >= name.size()
                              ? 0
                              : leading_number(name.substr(next + 1)).value;
  return {start, value, second};
}

}  // namespace v2vfs::convert
