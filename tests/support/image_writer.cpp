// SPDX-License-Identifier: MIT
#include "tests/support/image_writer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

namespace v2vfs::test {
namespace {

constexpr std::size_t kKiB = 1 << 10;
constexpr std::size_t kMiB = 1 << 20;

std::size_t round_to(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Calls `place` with the number of each block that is not zeros, the last first; it answers with
/// nothing and appends what it wants before; then the block, padded, is appended.
void add_blocks(std::string& image, const std::string& content, std::size_t block,
                const std::function<void(std::size_t number, std::size_t at)>& place,
                const std::string& prefix = "") {
  for (std::size_t number = (content.size() + block - 1) / block; number-- > 0;) {
    std::string bytes = content.substr(number * block, block);
    if (bytes.find_first_not_of('\0') == std::string::npos) continue;
    bytes.resize(block);
    place(number, image.size());
    image += prefix + bytes;
  }
}

std::string vhd_footer(std::uint64_t bytes, std::uint32_t type, std::uint64_t header_at) {
  std::string footer(512, '\0');
  footer.replace(0, 8, "conectix");
  put_big(footer, 8, 2, 4);
  put_big(footer, 12, 0x10000, 4);
  put_big(footer, 16, header_at, 8);
  footer.replace(28, 4, "win ");
  put_big(footer, 40, bytes, 8);
  put_big(footer, 48, bytes, 8);
  put_big(footer, 56, bytes / 512 / 16 / 63, 2);  // geometry: a little less than the size
  footer[58] = 16;
  footer[59] = 63;
  put_big(footer, 60, type, 4);
  seal_vhd(footer, 0, 512, 64);
  return footer;
}

void add_guid(std::string& bytes, std::size_t at, std::uint32_t a, std::uint16_t b, std::uint16_t c,
              std::uint64_t d) {
  put_little(bytes, at, a, 4);
  put_little(bytes, at + 4, b, 2);
  put_little(bytes, at + 6, c, 2);
  put_big(bytes, at + 8, d, 8);
}

void vhdx_metadata(std::string& image, std::size_t at, std::uint64_t bytes, std::uint32_t block) {
  image.replace(at, 8, "metadata");
  put_little(image, at + 10, 5, 2);
  struct Item {
    std::uint32_t a;
    std::uint16_t b, c;
    std::uint64_t d, value;
    std::uint32_t size;
  };
  const std::array<Item, 5> items = {{
      {0xcaa16737, 0xfa36, 0x4d43, 0xb3b633f0aa44e76bull, block, 8},
      {0x2fa54224, 0xcd1b, 0x4876, 0xb2115dbed83bf4b8ull, bytes, 8},
      {0xbeca12ab, 0xb2e6, 0x4523, 0x93efc309e000c746ull, 7, 16},
      {0x8141bf1d, 0xa96f, 0x4709, 0xba47f233a8faab5full, 512, 4},
      {0xcda348c7, 0x445d, 0x4471, 0x9cc9e9885251c556ull, 512, 4},
  }};
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t entry = at + 32 + i * 32;
    const std::size_t offset = 64 * kKiB + i * 16;
    add_guid(image, entry, items[i].a, items[i].b, items[i].c, items[i].d);
    put_little(image, entry + 16, offset, 4);
    put_little(image, entry + 20, items[i].size, 4);
    put_little(image, entry + 24, i == 0 || i == 3 ? 4 : 6, 4);
    put_little(image, at + offset, items[i].value, std::min<std::size_t>(items[i].size, 8));
  }
}

}  // namespace

void put_big(std::string& bytes, std::size_t at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + i] = static_cast<char>(number >> (8 * (size - 1 - i)));
  }
}

void put_little(std::string& bytes, std::size_t at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(number >> (8 * i));
}

void seal_vhd(std::string& bytes, std::size_t at, std::size_t size, std::size_t checksum_at) {
  put_big(bytes, at + checksum_at, 0, 4);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += static_cast<unsigned char>(bytes[at + i]);
  put_big(bytes, at + checksum_at, ~sum, 4);
}

void seal_vhdx(std::string& bytes, std::size_t at, std::size_t size) {
  put_little(bytes, at + 4, 0, 4);
  std::uint32_t crc = 0xffffffff;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= static_cast<unsigned char>(bytes[at + i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
  }
  put_little(bytes, at + 4, ~crc, 4);
}

std::string make_vhd(const std::string& content) {
  constexpr std::size_t kBlock = 2 * kMiB;
  const std::size_t blocks = (content.size() + kBlock - 1) / kBlock;
  std::string image = vhd_footer(content.size(), 3, 512);
  image.resize(2048);
  image.replace(512, 8, "cxsparse");
  put_big(image, 520, ~0ull, 8);
  put_big(image, 528, 2048, 8);
  put_big(image, 536, 0x10000, 4);
  put_big(image, 540, blocks, 4);
  put_big(image, 544, kBlock, 4);
  seal_vhd(image, 512, 1024, 36);
  image += std::string(round_to(blocks * 4, 512), '\xff');
  const std::string bitmap(512, '\xff');
  add_blocks(
      image, content, kBlock,
      [&](std::size_t number, std::size_t at) { put_big(image, 2048 + number * 4, at / 512, 4); },
      bitmap);
  return image + vhd_footer(content.size(), 3, 512);
}

std::string make_vhd_fixed(const std::string& content) {
  return content + vhd_footer(content.size(), 2, ~0ull);
}

std::string make_vhdx(const std::string& content) {
  constexpr std::size_t kBlock = kMiB;
  constexpr std::size_t kMetadataAt = 2 * kMiB;
  constexpr std::size_t kBatAt = 3 * kMiB;
  std::string image(4 * kMiB, '\0');
  image.replace(0, 8, "vhdxfile");
  for (const std::size_t at : {64 * kKiB, 128 * kKiB}) {
    image.replace(at, 4, "head");
    put_little(image, at + 8, at == 64 * kKiB ? 4 : 5, 8);
    put_little(image, at + 66, 1, 2);
    put_little(image, at + 68, kMiB, 4);
    put_little(image, at + 72, kMiB, 8);
    seal_vhdx(image, at, 4 * kKiB);
  }
  for (const std::size_t at : {192 * kKiB, 256 * kKiB}) {
    image.replace(at, 4, "regi");
    put_little(image, at + 8, 2, 4);
    add_guid(image, at + 16, 0x2dc27766, 0xf623, 0x4200, 0x9d64115e9bfd4a08ull);
    put_little(image, at + 32, kBatAt, 8);
    put_little(image, at + 40, kMiB, 4);
    put_little(image, at + 44, 1, 4);
    add_guid(image, at + 48, 0x8b7ca206, 0x4790, 0x4b9a, 0xb8fe575f050f886eull);
    put_little(image, at + 64, kMetadataAt, 8);
    put_little(image, at + 72, kMiB, 4);
    put_little(image, at + 76, 1, 4);
    seal_vhdx(image, at, 64 * kKiB);
  }
  vhdx_metadata(image, kMetadataAt, content.size(), kBlock);
  add_blocks(image, content, kBlock, [&](std::size_t number, std::size_t at) {
    put_little(image, kBatAt + number * 8, at | 6, 8);
  });
  return image;
}

std::string make_vdi(const std::string& content) {
  constexpr std::size_t kBlock = kMiB;
  const std::size_t blocks = (content.size() + kBlock - 1) / kBlock;
  const std::size_t data_at = 512 + round_to(blocks * 4, 512);
  std::string image(512, '\0');
  image.replace(0, 39, "<<< Oracle VM VirtualBox Disk Image >>>");
  put_little(image, 64, 0xbeda107f, 4);
  put_little(image, 68, 0x10001, 4);
  put_little(image, 72, 0x190, 4);
  put_little(image, 76, 1, 4);
  put_little(image, 340, 512, 4);
  put_little(image, 344, data_at, 4);
  put_little(image, 360, 512, 4);
  put_little(image, 368, content.size(), 8);
  put_little(image, 376, kBlock, 4);
  put_little(image, 384, blocks, 4);
  put_little(image, 392, 0x1234, 8);
  image += std::string(data_at - 512, '\xff');
  std::uint32_t index = 0;
  add_blocks(image, content, kBlock, [&](std::size_t number, std::size_t) {
    put_little(image, 512 + number * 4, index++, 4);
  });
  put_little(image, 388, index, 4);
  return image;
}

std::string make_qcow2(const std::string& content, const std::string& backing,
                       const std::string& format) {
  constexpr std::size_t kCluster = 64 * kKiB;
  std::string image(5 * kCluster, '\0');
  image.replace(0, 4, "QFI\xfb");
  put_big(image, 4, 3, 4);
  put_big(image, 20, 16, 4);
  put_big(image, 24, content.size(), 8);
  put_big(image, 36, 1, 4);
  put_big(image, 40, 3 * kCluster, 8);  // L1
  put_big(image, 48, kCluster, 8);      // refcount table
  put_big(image, 56, 1, 4);
  put_big(image, 96, 4, 4);
  put_big(image, 100, 104, 4);
  std::size_t at = 104;
  if (!format.empty()) {
    put_big(image, at, 0xe2792aca, 4);
    put_big(image, at + 4, format.size(), 4);
    image.replace(at + 8, format.size(), format);
    at += 8 + round_to(format.size(), 8);
  }
  if (!backing.empty()) {
    put_big(image, 8, at + 8, 8);
    put_big(image, 16, backing.size(), 4);
    image.replace(at + 8, backing.size(), backing);
  }
  put_big(image, kCluster, 2 * kCluster, 8);
  put_big(image, 3 * kCluster, (4 * kCluster) | 1ull << 63, 8);
  add_blocks(image, content, kCluster, [&](std::size_t number, std::size_t place) {
    put_big(image, 4 * kCluster + number * 8, place | 1ull << 63, 8);
  });
  for (std::size_t i = 0; i * kCluster < image.size(); ++i) {
    put_big(image, 2 * kCluster + i * 2, 1, 2);
  }
  return image;
}

std::string make_qed(const std::string& content, const std::string& backing) {
  constexpr std::size_t kCluster = 64 * kKiB;
  std::string image(9 * kCluster, '\0');  // header, L1 and L2 of four clusters each
  image.replace(0, 4, std::string("QED\0", 4));
  put_little(image, 4, kCluster, 4);
  put_little(image, 8, 4, 4);
  put_little(image, 12, 1, 4);
  put_little(image, 16, backing.empty() ? 0 : 1, 8);
  put_little(image, 40, kCluster, 8);
  put_little(image, 48, content.size(), 8);
  if (!backing.empty()) {
    put_little(image, 56, 64, 4);
    put_little(image, 60, backing.size(), 4);
    image.replace(64, backing.size(), backing);
  }
  put_little(image, kCluster, 5 * kCluster, 8);
  add_blocks(image, content, kCluster, [&](std::size_t number, std::size_t at) {
    put_little(image, 5 * kCluster + number * 8, at, 8);
  });
  return image;
}

std::string make_parallels(const std::string& content) {
  constexpr std::size_t kBlock = kMiB;
  const std::size_t blocks = (content.size() + kBlock - 1) / kBlock;
  std::string image(kBlock, '\0');
  image.replace(0, 16, "WithouFreSpacExt");
  put_little(image, 16, 2, 4);
  put_little(image, 20, 16, 4);
  put_little(image, 24, content.size() / 512 / 16 / 32, 4);
  put_little(image, 28, kBlock / 512, 4);
  put_little(image, 32, blocks, 4);
  put_little(image, 36, content.size() / 512, 8);
  put_little(image, 48, kBlock / 512, 4);
  add_blocks(image, content, kBlock, [&](std::size_t number, std::size_t at) {
    put_little(image, 64 + number * 4, at / kBlock, 4);
  });
  return image;
}

}  // namespace v2vfs::test
