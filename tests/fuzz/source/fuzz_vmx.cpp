// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>

#include "inspect/base/error.h"
#include "inspect/source/vmx.h"
#include "tests/fuzz/source/machine_promises.h"

/// Any text as a .vmx, and behind a line "---" as the .vmsd beside it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs;
  const std::string_view all = inspect::text_of(data, size);
  const std::size_t cut = all.find("\n---\n");
  try {
    inspect::DescribedMachine machine = inspect::parse_vmx(all.substr(0, cut), "fuzz.vmx");
    inspect::check_promises(machine);
    if (cut == std::string_view::npos) return 0;
    inspect::read_vmsd(all.substr(cut + 5), "fuzz.vmsd", machine.spec);
    inspect::check_promises(machine);
  } catch (const Error&) {
  }
  return 0;
}
