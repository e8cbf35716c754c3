// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_controllers.h"

#include <fmt/core.h>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::size_t kMostControllers = 64;
constexpr std::uint64_t kMostBusNumber = 63;

std::optional<ControllerKind> scsi_word(const std::string& word) {
  const std::string lower = to_lower(word);
  if (lower == "virtualscsi" || lower == "pvscsi") return ControllerKind::scsi_pvscsi;
  if (lower == "virtio-scsi" || lower == "virtioscsi") return ControllerKind::virtio_scsi;
  if (lower.find("sas") != std::string::npos) return ControllerKind::scsi_lsisas1068;
  if (lower.find("buslogic") != std::string::npos) return ControllerKind::scsi_buslogic;
  if (lower.find("lsilogic") != std::string::npos) return ControllerKind::scsi_lsilogic;
  return std::nullopt;
}

/// ResourceType 20 is SATA, NVMe and, with VirtualBox, SAS and virtio; with oVirt also the display.
std::optional<ControllerKind> other_storage_kind(const Item& item) {
  const std::string type = to_lower(item.subtype.empty() ? item.label : item.subtype);
  if (type.find("nvme") != std::string::npos) return ControllerKind::nvme;
  if (type.find("sata") != std::string::npos || type.find("ahci") != std::string::npos) {
    return ControllerKind::sata;
  }
  return scsi_word(item.subtype);
}

}  // namespace

Family family_of(ControllerKind kind) {
  switch (kind) {
    case ControllerKind::ide:
      return Family::ide;
    case ControllerKind::sata:
      return Family::sata;
    case ControllerKind::nvme:
      return Family::nvme;
    case ControllerKind::virtio_block:
      return Family::virtio;
    case ControllerKind::scsi_lsilogic:
    case ControllerKind::scsi_lsisas1068:
    case ControllerKind::scsi_buslogic:
    case ControllerKind::scsi_pvscsi:
    case ControllerKind::virtio_scsi:
      return Family::scsi;
  }
  return Family::sata;
}

void Controllers::add(const Item& item) {
  const std::optional<ControllerKind> kind = kind_of_item(item);
  if (!kind) return;
  if (spec_.controllers.size() >= kMostControllers) {
    return add_note(spec_.ignored, "Controllers beyond the 64th are left out.");
  }
  const auto address = parse_count(item.address);
  const bool is_number = address && *address <= kMostBusNumber;
  const std::size_t index =
      append(*kind, is_number ? std::optional(static_cast<unsigned>(*address)) : std::nullopt);
  const unsigned given = spec_.controllers[index].bus_number;
  if (is_number && given != *address) {
    add_note(spec_.assumptions, fmt::format("Controller {} has the number of another; {} is used.",
                                            quoted(item.label), given));
  }
  if (item.instance_id.empty()) return;
  if (!by_instance_.try_emplace(item.instance_id, index).second) {
    add_note(spec_.assumptions,
             fmt::format("Two controllers have the InstanceID {}; disks go to the first.",
                         quoted(item.instance_id)));
  }
}

std::optional<std::size_t> Controllers::find(const std::string& instance_id) const {
  const auto found = by_instance_.find(instance_id);
  return found == by_instance_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::size_t> Controllers::for_bus(const std::string& bus) {
  static const std::map<std::string, ControllerKind> kBuses = {
      {"ide", ControllerKind::ide},
      {"sata", ControllerKind::sata},
      {"virtio", ControllerKind::virtio_block},
      {"virtio_scsi", ControllerKind::virtio_scsi},
      {"virtio-scsi", ControllerKind::virtio_scsi},
  };
  const auto known = kBuses.find(to_lower(bus));
  if (known == kBuses.end()) return std::nullopt;
  for (std::size_t i = 0; i < spec_.controllers.size(); ++i) {
    if (spec_.controllers[i].kind == known->second) return i;
  }
  return append(known->second, std::nullopt);
}

std::optional<ControllerKind> Controllers::kind_of_item(const Item& item) {
  if (item.type == kIdeController) return ControllerKind::ide;
  if (item.type == kScsiHba) return scsi_kind(item);
  if (item.type == kOtherStorage) return other_storage_kind(item);
  return std::nullopt;
}

ControllerKind Controllers::scsi_kind(const Item& item) {
  const std::vector<std::string> words = split_words(item.subtype);
  for (const std::string& word : words) {
    const std::optional<ControllerKind> kind = scsi_word(word);
    if (!kind) continue;
    if (words.size() > 1) {
      add_note(spec_.assumptions,
               fmt::format("Of the types {} of controller {} {} is taken.", quoted(item.subtype),
                           quoted(item.label), quoted(word)));
    }
    return *kind;
  }
  add_note(spec_.assumptions,
           fmt::format("SCSI controller {} has the type {}; it is taken as LSI Logic parallel.",
                       quoted(item.label), quoted(item.subtype)));
  return ControllerKind::scsi_lsilogic;
}

std::size_t Controllers::append(ControllerKind kind, std::optional<unsigned> bus_number) {
  const Family family = family_of(kind);
  unsigned number = bus_number.value_or(0);
  if (taken_.contains({family, number})) number = 0;  // a pc has two IDE buses: fill the lower ones
  while (!taken_.emplace(family, number).second) ++number;
  spec_.controllers.push_back({kind, number});
  return spec_.controllers.size() - 1;
}

}  // namespace v2vfs::inspect::ovf
