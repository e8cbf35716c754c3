// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_nics.h"

#include <fmt/core.h>

#include <map>
#include <set>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::size_t kMostNics = 64;
constexpr std::uint64_t kMostPciSlot = 4095;  // VMware writes bus * 32 + slot

NicModel model_of_word(const std::string& word) {
  static const std::map<std::string, NicModel> kModels = {
      {"vmxnet3", NicModel::vmxnet3},        {"vmxnet2", NicModel::vmxnet2},
      {"vmxnet", NicModel::vmxnet2},         {"e1000", NicModel::e1000},
      {"e1000e", NicModel::e1000e},          {"pcnet32", NicModel::pcnet32},
      {"pcnet", NicModel::pcnet32},          {"flexible", NicModel::pcnet32},
      {"virtuale1000", NicModel::e1000},     {"virtuale1000e", NicModel::e1000e},
      {"virtualvmxnet3", NicModel::vmxnet3}, {"virtualpcnet32", NicModel::pcnet32},
      {"virtio", NicModel::virtio},          {"virtio-net", NicModel::virtio},
      {"virtionet", NicModel::virtio},       {"rtl8139", NicModel::rtl8139},
  };
  const auto known = kModels.find(to_lower(word));
  return known == kModels.end() ? NicModel::unknown : known->second;
}

/// oVirt numbers its models.
NicModel model_of_number(const std::string& word) {
  if (word == "1") return NicModel::rtl8139;
  if (word == "2") return NicModel::e1000;
  if (word == "3") return NicModel::virtio;
  return NicModel::unknown;
}

void read_model(const Item& item, NicSpec& nic, MachineSpec& spec) {
  const std::vector<std::string> words = split_words(item.subtype);
  for (const std::string& word : words) {
    nic.model = model_of_word(word);
    if (nic.model == NicModel::unknown) nic.model = model_of_number(word);
    if (nic.model == NicModel::unknown) continue;
    nic.source_model = word;
    if (words.size() == 1) return;
    return add_note(spec.assumptions,
                    fmt::format("Of the models {} of {} {} is taken.", quoted(item.subtype),
                                quoted(item.label), quoted(word)));
  }
  nic.source_model = item.subtype;
  add_note(spec.assumptions, item.subtype.empty()
                                 ? fmt::format("The model of {} is not given.", quoted(item.label))
                                 : fmt::format("The model {} of {} is not known.",
                                               quoted(item.subtype), quoted(item.label)));
}

void read_mac(const Item& item, NicSpec& nic, MachineSpec& spec) {
  std::string address = item.address;
  if (const std::string of_ovirt = child_text(item.node, "MACAddress"); !of_ovirt.empty()) {
    address = of_ovirt;
  }
  if (address.empty()) return;
  nic.mac = parse_mac(address);
  if (!nic.mac) {
    add_note(spec.assumptions, fmt::format("The address {} of {} is no MAC address and left out.",
                                           quoted(address), quoted(item.label)));
  }
}

void read_pci_slot(const Item& item, NicSpec& nic) {
  const auto slot = parse_count(item.config("slotInfo.pciSlotNumber").value_or(""));
  if (slot && *slot <= kMostPciSlot) nic.pci_slot = static_cast<unsigned>(*slot);
}

void note_equal_macs(MachineSpec& spec) {
  std::set<std::string> seen;
  for (const NicSpec& nic : spec.nics) {
    if (nic.mac && !seen.insert(*nic.mac).second) {
      add_note(spec.assumptions,
               fmt::format("Two network adapters have the MAC address {}.", *nic.mac));
    }
  }
}

}  // namespace

void read_nics(const std::vector<Item>& items, MachineSpec& spec) {
  for (const Item& item : items) {
    if (item.type != kEthernet || item.bound == "min" || item.bound == "max") continue;
    if (spec.nics.size() >= kMostNics) {
      add_note(spec.ignored, "Network adapters beyond the 64th are left out.");
      break;
    }
    NicSpec nic;
    read_model(item, nic, spec);
    read_mac(item, nic, spec);
    read_pci_slot(item, nic);
    if (!item.connection.empty()) nic.network = item.connection;
    nic.connected = item.is_connected;
    spec.nics.push_back(std::move(nic));
  }
  note_equal_macs(spec);
}

}  // namespace v2vfs::inspect::ovf
