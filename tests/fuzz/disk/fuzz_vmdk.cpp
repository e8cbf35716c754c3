// SPDX-License-Identifier: MIT
// Header, footer, descriptor, tables and grains of a VMDK: whatever they hold, a disk is refused
// with a sentence, or shown as a sound qcow2 that gives the same bytes in both layouts.
//
// The first byte chooses: 0 to 127, the rest is the file; 128 to 255, the rest fills the fields of
// a header that makes sense, and what stands behind it.

#include "tests/fuzz/disk/fuzz_bytes.h"
#include "tests/fuzz/disk/fuzz_disk.h"

namespace {

using namespace v2vfs;
using fuzz::put;

constexpr std::string_view kDescriptor =
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
    "RW 16 SPARSE \"x\"\n";

/// Header, descriptor, and the tables and grains that `data` has.
std::string make_image(fuzz::Bytes& data) {
  std::string image(1024, '\0');
  const bool is_deflated = data.flag();
  const auto sectors = data.between<std::uint64_t>(0, 512);
  const std::uint64_t grain = is_deflated ? 128 : 8ull << data.between<int>(0, 4);
  image.replace(0, 4, "KDMV");
  put(image, 4, std::uint32_t{3});
  put(image, 8, std::uint32_t{is_deflated ? 0x30004u : 4u});
  put(image, 12, sectors);
  put(image, 20, grain);
  put(image, 28, std::uint64_t{1});
  put(image, 36, std::uint64_t{1});
  put(image, 44, std::uint32_t{512});
  put(image, 56, data.between<std::uint64_t>(0, 8));
  put(image, 77, std::uint16_t{is_deflated});
  std::string text(kDescriptor);
  text.replace(text.find("RW 16"), 5, "RW " + std::to_string(sectors));
  image.replace(512, text.size(), text);
  return image + data.rest();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  fuzz::Bytes data(bytes + 1, size - 1);
  const bool is_made = bytes[0] >= 128;
  fuzz::MemoryFiles files;
  files.add("disk", is_made ? make_image(data) : data.rest());
  files.set_only("disk");
  fuzz::check_disk(files, bytes[0] & 1);
  return 0;
}
