// SPDX-License-Identifier: MIT
#include "inspect/source/inflated_file.h"
#include "tests/fuzz/source/memory_file.h"

/// Any bytes as a gzip file: a file that is the same wherever it is read from, or Error(EIO).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs::inspect;
  const SourceFile stored = memory_file({data, size});
  try {
    const auto places = std::make_shared<AccessPointCache>("", nullptr);
    const SourceFile file = inflated_file({stored}, "inside", places);
    file.head(1000);
    check_reads(file);
  } catch (const v2vfs::Error& error) {
    if (error.error_number() != EIO) std::abort();
  }
  return 0;
}
