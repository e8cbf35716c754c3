// SPDX-License-Identifier: MIT
// Headers and tables of VHD, VHDX, VDI, qcow2, QED and Parallels: whatever they hold, an image is
// refused with a sentence, or what is said of it makes sense. No qemu is started.
//
// The first byte chooses: 0 to 127, the rest is the file; 128 to 255, the rest changes numbers of a
// sound image of one of the formats: pairs of a place and eight bytes.

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "convert/disk/image_chain.h"
#include "convert/disk/image_header.h"
#include "convert/disk/image_tables.h"
#include "inspect/base/error.h"
#include "tests/fuzz/disk/fuzz_bytes.h"
#include "tests/support/image_writer.h"
#include "tests/support/memory_files.h"

namespace {

using namespace v2vfs;

constexpr std::size_t kDisk = (1 << 20) + 512;
constexpr std::size_t kHeads = 5 * (1 << 20);

std::string sound_image(int format) {
  std::string content(kDisk, '\0');
  content.replace(0, 4, "data");
  content.replace(kDisk - 4, 4, "data");
  switch (format) {
    case 0:
      return test::make_vhd(content);
    case 1:
      return test::make_vhd_fixed(content);
    case 2:
      return test::make_vhdx(content);
    case 3:
      return test::make_vdi(content);
    case 4:
      return test::make_qcow2(content, "image", "qcow2");
    case 5:
      return test::make_qed(content, "other");
    default:
      return test::make_parallels(content);
  }
}

/// Places of headers: most of an image is content.
std::size_t place(fuzz::Bytes& data, std::size_t limit) {
  const std::size_t base[] = {0,
                              512,
                              2048,
                              65536,
                              131072,
                              196608,
                              262144,
                              3 * 65536,
                              4 * 65536,
                              2 << 20,
                              (2 << 20) + 65536,
                              3 << 20};
  const std::size_t at =
      base[data.between<std::size_t>(0, std::size(base) - 1)] + data.between<std::size_t>(0, 512);
  return std::min(at, std::min(limit, kHeads) - 8);
}

std::string make_image(fuzz::Bytes& data) {
  static const std::vector<std::string> images = [] {
    std::vector<std::string> all;
    for (int format = 0; format <= 6; ++format) all.push_back(sound_image(format));
    return all;
  }();
  std::string image = images[data.between<std::size_t>(0, 6)];
  while (data.left() > 8) {
    const std::size_t at = place(data, image.size());
    const auto number = data.number<std::uint64_t>();
    std::memcpy(image.data() + at, &number, data.flag() ? 8 : 2);
  }
  if (image.starts_with("vhdxfile")) {  // else no change gets behind the checksums
    for (const std::size_t at : {65536, 131072}) test::seal_vhdx(image, at, 4096);
    for (const std::size_t at : {196608, 262144}) test::seal_vhdx(image, at, 65536);
  }
  return image;
}

void check(const convert::ImageChain& chain) {
  if (chain.virtual_bytes() == 0 || chain.virtual_bytes() % 512 != 0 ||
      chain.stored_bytes > chain.virtual_bytes() || chain.layers.size() > 32) {
    std::abort();
  }
  for (const convert::ByteRange& range : chain.damaged) {
    if (range.bytes == 0) std::abort();
  }
  if (convert::image_options(chain, 4).find_first_not_of(
          "abcdefghijklmnopqrstuvwxyz0123456789_.,=/") != std::string::npos) {
    std::abort();  // something of the file got into it
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::Bytes data(bytes, size);
  const bool is_file = data.number<std::uint8_t>() < 128;
  test::MemoryFiles files;
  files.add("image", is_file ? data.rest() : make_image(data));
  files.add("other", std::string(4096, 'x'));
  const inspect::SourceFile file = files.open("image");
  try {
    const auto format = convert::tell_image(file);
    if (!format) return 0;
    Digest digest;
    check(convert::open_chain(files, "image", file, *format, digest));
  } catch (const Error& error) {
    if (error.error_number() != EIO && error.error_number() != EOPNOTSUPP &&
        error.error_number() != ENOENT) {
      std::abort();
    }
  }
  return 0;
}
