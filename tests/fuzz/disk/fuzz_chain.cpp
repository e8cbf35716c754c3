// SPDX-License-Identifier: MIT
// Descriptors that refer to each other: the input is up to six files, "disk", "a", "b", "c.vmdk",
// "d-delta.vmdk", "e", each ended by a line of four dashes.

#include <array>
#include <string_view>

#include "tests/fuzz/disk/fuzz_disk.h"

namespace {

constexpr std::array<const char*, 6> kNames = {"disk", "a", "b", "c.vmdk", "d-delta.vmdk", "e"};
constexpr std::string_view kEnd = "\n----\n";

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  v2vfs::fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(bytes), size);
  v2vfs::fuzz::MemoryFiles files;
  for (const char* name : kNames) {
    const std::size_t end = rest.find(kEnd);
    files.add(name, std::string(rest.substr(0, end)));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + kEnd.size());
  }
  v2vfs::fuzz::check_disk(files, false);
  return 0;
}
