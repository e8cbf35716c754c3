// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/model.h"
#include "inspect/source/vmx_dictionary.h"

namespace v2vfs::inspect::vmx {

void read_nics(const Dictionary& vmx, MachineSpec& spec);
void read_serials(const Dictionary& vmx, MachineSpec& spec);
/// TPM, and what has no counterpart here: sound, USB, parallel ports, passed-through devices, ...
void read_other_devices(const Dictionary& vmx, MachineSpec& spec);

/// "192"; nullopt for "-1" and anything else that is none.
std::optional<unsigned> pci_slot(const Dictionary& vmx, const std::string& key);

}  // namespace v2vfs::inspect::vmx
