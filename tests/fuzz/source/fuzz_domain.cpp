// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>

#include "inspect/base/error.h"
#include "inspect/source/libvirt_xml.h"
#include "tests/fuzz/source/machine_promises.h"

/// Any text as a libvirt domain.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs;
  try {
    inspect::check_promises(inspect::parse_domain_xml(inspect::text_of(data, size), "fuzz.xml"));
  } catch (const Error&) {
  }
  return 0;
}
