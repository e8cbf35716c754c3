// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "convert/domain/domain_model.h"
#include "convert/guest/capabilities.h"
#include "inspect/model.h"

namespace v2vfs::convert {

/// The machine that a converted guest runs on: the source's, with its disks and network cards on
/// what `can` says, in their order, and its CD-ROMs where that machine has them. Pure.
inspect::MachineSpec converted_machine(const inspect::MachineSpec& spec, const Capabilities& can);

inline MachineType machine_type(const Capabilities& can) {
  return can.q35 ? MachineType::q35 : MachineType::pc;
}

}  // namespace v2vfs::convert
