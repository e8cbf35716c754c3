// SPDX-License-Identifier: MIT
#include "tests/unit/source/zip_builder.h"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

namespace v2vfs::inspect::testing {
namespace {

std::string number(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

std::string deflated(std::string_view content) {
  z_stream stream{};
  ::deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(::deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace

ZipBuilder& ZipBuilder::add(std::string_view name, std::string_view content) {
  Member member;
  member.name = name;
  member.content = content;
  return add(member);
}

ZipBuilder& ZipBuilder::add(const Member& member) {
  const std::string stored = member.is_deflated ? deflated(member.content) : member.content;
  const auto* const bytes = reinterpret_cast<const Bytef*>(member.content.data());
  const std::uint64_t crc =
      ::crc32(0, bytes, static_cast<uInt>(member.content.size())) ^ member.crc_lie;
  const std::uint64_t length = member.content.size() + static_cast<std::uint64_t>(member.bytes_lie);
  const unsigned method = member.method != ~0U ? member.method : member.is_deflated ? 8 : 0;
  const std::uint64_t header = bytes_.size();
  const std::uint64_t kOut = 0xffffffff;
  const std::string fields = number(member.flags, 2) + number(method, 2) + number(0, 4) +
                             number(crc, 4) + number(member.is_zip64 ? kOut : stored.size(), 4) +
                             number(member.is_zip64 ? kOut : length, 4);
  const std::string local = member.local_name.empty() ? member.name : member.local_name;
  bytes_ += "PK\x03\x04" + number(20, 2) + fields + number(local.size(), 2) + number(5, 2) + local +
            "extra" + stored;
  std::string extra;
  if (member.is_zip64) {
    extra = number(0x7777, 2) + number(2, 2) + "zz" + number(1, 2) + number(24, 2) +
            number(length, 8) + number(stored.size(), 8) + number(header, 8);
  }
  directory_ += "PK\x01\x02" + number(20, 1) + number(3, 1) + number(20, 2) + fields +
                number(member.name.size(), 2) + number(extra.size(), 2) + number(0, 2) +
                number(0, 2) + number(0, 2) + number(std::uint64_t{member.mode} << 16, 4) +
                number(member.is_zip64 ? kOut : header, 4) + member.name + extra;
  ++members_;
  return *this;
}

std::string ZipBuilder::archive(std::string_view comment) const {
  return bytes_ + directory_ + "PK\x05\x06" + number(0, 4) + number(members_, 2) +
         number(members_, 2) + number(directory_.size(), 4) + number(bytes_.size(), 4) +
         number(comment.size(), 2) + std::string(comment);
}

std::string xz_of(std::string_view content, std::size_t block_bytes) {
  lzma_mt options{};
  options.threads = 1;
  options.block_size = block_bytes;
  options.preset = 0;
  options.check = LZMA_CHECK_CRC64;
  lzma_stream stream = LZMA_STREAM_INIT;
  const lzma_ret begun = block_bytes > 0 ? ::lzma_stream_encoder_mt(&stream, &options)
                                         : ::lzma_easy_encoder(&stream, 0, LZMA_CHECK_CRC32);
  EXPECT_EQ(begun, LZMA_OK);
  std::string out(::lzma_stream_buffer_bound(content.size()) + (1 << 20), '\0');
  stream.next_in = reinterpret_cast<const std::uint8_t*>(content.data());
  stream.avail_in = content.size();
  stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream.avail_out = out.size();
  while (::lzma_code(&stream, LZMA_FINISH) == LZMA_OK) {
  }
  out.resize(stream.total_out);
  ::lzma_end(&stream);
  return out;
}

}  // namespace v2vfs::inspect::testing
