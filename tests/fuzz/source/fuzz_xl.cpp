// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>

#include "inspect/base/error.h"
#include "inspect/source/xl_config.h"
#include "inspect/source/xl_disk.h"
#include "tests/fuzz/source/machine_promises.h"

/// Any text as a configuration file of Xen, and as one disk of such a file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs;
  inspect::xl::parse_disk(inspect::text_of(data, size));
  try {
    inspect::check_promises(inspect::parse_xen_config(inspect::text_of(data, size), "fuzz.cfg"));
  } catch (const Error&) {
  }
  return 0;
}
