// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "inspect/source/described_machine.h"
#include "inspect/source/source_json.h"

namespace v2vfs::inspect {

/// What every parser promises of its machine; aborts where one does not keep it.
inline void check_promises(const DescribedMachine& machine) {
  const MachineSpec& spec = machine.spec;
  for (const DiskSpec& disk : spec.disks) {
    if (disk.controller && *disk.controller >= spec.controllers.size()) std::abort();
  }
  for (const RemovableSpec& drive : spec.removables) {
    if (drive.controller && *drive.controller >= spec.controllers.size()) std::abort();
  }
  for (const SnapshotSpec& snapshot : spec.snapshots) {
    for (const SnapshotDisk& disk : snapshot.disks) {
      if (disk.disk && *disk.disk >= spec.disks.size()) std::abort();
    }
  }
  for (const std::size_t index : machine.unservable_disks) {
    if (index >= spec.disks.size()) std::abort();
  }
  if (spec.vcpus == 0 || spec.memory_bytes == 0 || spec.id.empty()) std::abort();
  if (spec.disks.size() > 512 || spec.nics.size() > 64) std::abort();
  machine_json(spec);
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace v2vfs::inspect
