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

/// The absolute path of a file that a machine names; nullopt for members of archives, and for what
/// cannot be a file of the source.
std::optional<std::string> path_in_source(const Reading& reading, const FoundMachine& machine,
                                          const std::string& name);

/// Descriptors of one machine leave the best of them: an .ovf, .ova and .vmx of the same name in
/// one folder, and descriptors of different kinds that name the same disk files. What is usable
/// goes before what is not, then VMX, OVF, OVA, libvirt, Xen.
std::vector<Reading> without_copies(std::vector<Reading> readings);

}  // namespace v2vfs::inspect
