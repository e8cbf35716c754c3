// SPDX-License-Identifier: MIT
#include "inspect/source/zip_files.h"
#include "tests/fuzz/source/memory_file.h"

/// Any bytes as a zip archive: members that are the same wherever they are read from, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs::inspect;
  const SourceFile archive = memory_file({data, size});
  try {
    const ZipFiles files([&] { return archive; }, std::make_shared<AccessPointCache>("", nullptr));
    for (const std::string& name : files.names()) {
      try {
        const SourceFile file = files.open(name);
        if (file.host_range() && file.length() > size) std::abort();
        check_reads(file);
      } catch (const v2vfs::Error&) {
      }
    }
  } catch (const v2vfs::Error&) {
  }
  return 0;
}
