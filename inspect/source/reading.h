// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/source/descriptor_search.h"
#include "inspect/source/source.h"

namespace v2vfs::inspect {

/// What one descriptor gave: machines and, of an OVF, the appliance, or the reason why not (then
/// there is one machine that says it).
struct Reading {
  Descriptor descriptor;
  std::vector<FoundMachine> machines;
  std::optional<FoundAppliance> appliance;
  std::optional<Error> error;

  bool is_usable() const;
};

/// Descriptors of one machine leave the best of them: an .ovf, .ova and .vmx of the same name in
/// one folder, and descriptors of different kinds that name the same disk files. What is usable
/// goes before what is not, then VMX, OVF, OVA, libvirt, Xen.
std::vector<Reading> without_copies(std::vector<Reading> readings);

}  // namespace v2vfs::inspect
