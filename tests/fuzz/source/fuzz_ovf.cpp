// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "inspect/base/error.h"
#include "inspect/source/ovf.h"
#include "inspect/source/source_json.h"

/// Any text: machines that keep to the model's promises, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs;
  try {
    const auto envelope = inspect::parse_ovf(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.ovf", {});
    for (const auto& machine : envelope.machines) {
      const inspect::MachineSpec& spec = machine.spec;
      for (const auto& disk : spec.disks) {
        if (disk.controller && *disk.controller >= spec.controllers.size()) std::abort();
      }
      for (const std::size_t index : machine.unservable_disks) {
        if (index >= spec.disks.size()) std::abort();
      }
      if (spec.vcpus == 0 || spec.memory_bytes == 0 || spec.id.empty()) std::abort();
      inspect::machine_json(spec);
    }
  } catch (const Error&) {
  }
  return 0;
}
