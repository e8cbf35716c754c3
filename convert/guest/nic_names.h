// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

/// Names that Linux gives to network cards by themselves (systemd.net-naming-scheme(7)), as they
/// come out on VMware. Pure.
namespace v2vfs::convert {

/// Where VMware puts a device by its pciSlotNumber (Broadcom KB 311606: function of the bridge,
/// bridge, device), with the buses as ESXi's and Workstation's firmware number them; nullopt: on
/// another bridge.
struct VmwarePlace {
  unsigned bus = 0;
  unsigned device = 0;
  std::optional<unsigned> slot;  // that ACPI names; the root bus has none
};
std::optional<VmwarePlace> vmware_place(unsigned pci_slot_number);

/// What systemd calls a card there: "ens192", else "enp0s25".
std::string predictable_name(const VmwarePlace& place);

/// True if some release calls the card there so: by its slot, by its path ("enp11s0"), or by what
/// systemd before 220 took for an onboard index ("eno16780032").
bool is_name_at(std::string_view name, const VmwarePlace& place);

/// A name that the kernel or udev gives to a card that is there physically.
bool is_card_name(std::string_view name);

/// "eth0" -> 0; nullopt for any other name.
std::optional<unsigned> kernel_card_number(std::string_view name);

/// Sorts names in the order in which hypervisors hand their cards out: eth2 before eth10, ens160,
/// ens192, ens224, ens256 before ens161.
std::tuple<std::string, unsigned, unsigned> card_order(std::string_view name);

}  // namespace v2vfs::convert
