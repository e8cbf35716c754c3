// SPDX-License-Identifier: MIT
#include "inspect/source/xz_file.h"
#include "tests/fuzz/source/memory_file.h"

/// Any bytes as an .xz file: a file that is the same wherever it is read from, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs::inspect;
  const SourceFile stored = memory_file({data, size});
  try {
    const SourceFile file = xz_file(stored, "inside");
    file.head(1000);
    check_reads(file);
  } catch (const v2vfs::Error&) {
  }
  return 0;
}
