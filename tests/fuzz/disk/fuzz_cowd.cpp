// SPDX-License-Identifier: MIT
// A COWD extent (vmfsSparse) with a flat parent. The first byte chooses: 0 to 127, the rest is the
// extent; 128 to 255, the rest fills the fields of a header that makes sense, and what stands
// behind it.

#include "tests/fuzz/disk/fuzz_bytes.h"
#include "tests/fuzz/disk/fuzz_disk.h"

namespace {

using namespace v2vfs;
using fuzz::put;

std::string make_extent(fuzz::Bytes& data, std::uint32_t sectors) {
  std::string image(2048, '\0');
  image.replace(0, 4, "COWD");
  put(image, 4, std::uint32_t{1});
  put(image, 8, std::uint32_t{3});
  put(image, 12, sectors);
  put(image, 16, std::uint32_t{1} << data.between<int>(0, 8));
  put(image, 20, data.between<std::uint32_t>(0, 8));
  put(image, 24, data.between<std::uint32_t>(0, 64));
  return image + data.rest();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) return 0;
  fuzz::Bytes data(bytes + 2, size - 2);
  const std::uint32_t sectors = bytes[1];
  fuzz::MemoryFiles files;
  fuzz::add_child(files, "vmfsSparse", "VMFSSPARSE", sectors);
  files.add("extent", bytes[0] >= 128 ? make_extent(data, sectors) : data.rest());
  fuzz::check_disk(files, bytes[0] & 1);
  return 0;
}
