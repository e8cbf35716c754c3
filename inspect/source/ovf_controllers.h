// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "inspect/model.h"
#include "inspect/source/ovf_items.h"

namespace v2vfs::inspect::ovf {

/// Controllers that share one numbering.
enum class Family { ide, sata, scsi, nvme, virtio };

Family family_of(ControllerKind kind);

/// The disk controllers of one machine; fills spec.controllers as items come.
class Controllers {
 public:
  explicit Controllers(MachineSpec& spec) : spec_(spec) {}

  /// Takes the item if it is a controller.
  void add(const Item& item);
  /// By InstanceID.
  std::optional<std::size_t> find(const std::string& instance_id) const;
  /// The first controller of the kind that oVirt's disk-interface names, made if there is none.
  std::optional<std::size_t> for_bus(const std::string& bus);

 private:
  std::optional<ControllerKind> kind_of_item(const Item& item);
  ControllerKind scsi_kind(const Item& item);
  std::size_t append(ControllerKind kind, std::optional<unsigned> bus_number);

  MachineSpec& spec_;
  std::map<std::string, std::size_t> by_instance_;
  std::set<std::pair<Family, unsigned>> taken_;
};

}  // namespace v2vfs::inspect::ovf
