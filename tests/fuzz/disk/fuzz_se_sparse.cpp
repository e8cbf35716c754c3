// SPDX-License-Identifier: MIT
// A seSparse extent with a flat parent. The first byte chooses: 0 to 127, the rest is the extent;
// 128 to 255, the rest fills the fields of headers that make sense, and what stands behind them.

#include "tests/fuzz/disk/fuzz_bytes.h"
#include "tests/fuzz/disk/fuzz_disk.h"

namespace {

using namespace v2vfs;
using fuzz::put;

/// Directory at sector 2, tables and grains where the data says, mostly inside.
std::string make_extent(fuzz::Bytes& data, std::uint64_t sectors) {
  std::string image(1024, '\0');
  const std::uint64_t fields[] = {0xcafebabe, 0x200000001, sectors, 8, 64};
  for (std::size_t i = 0; i < std::size(fields); ++i) put(image, i * 8, fields[i]);
  put(image, 80, std::uint64_t{1});
  put(image, 128, std::uint64_t{2});
  put(image, 136, std::uint64_t{1});
  put(image, 144, data.between<std::uint64_t>(0, 8));
  put(image, 152, data.between<std::uint64_t>(0, 128));
  put(image, 192, data.between<std::uint64_t>(0, 128));
  put(image, 512, std::uint64_t{0xcafecafe});
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
  fuzz::add_child(files, "seSparse", "SESPARSE", sectors);
  files.add("extent", bytes[0] >= 128 ? make_extent(data, sectors) : data.rest());
  fuzz::check_disk(files, bytes[0] & 1);
  return 0;
}
