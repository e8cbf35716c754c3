// SPDX-License-Identifier: MIT
#include "inspect/base/deflate.h"

#include <libdeflate.h>

#include <memory>
#include <new>

namespace v2vfs {
namespace {

struct Free {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

libdeflate_decompressor* decompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, Free> mine(
      libdeflate_alloc_decompressor());
  if (!mine) throw std::bad_alloc();
  return mine.get();
}

}  // namespace

std::optional<std::size_t> inflate_zlib(std::span<const std::byte> in, std::span<std::byte> out) {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  const libdeflate_result result =
      libdeflate_zlib_decompress_ex(decompressor(), in.data(), in.size(), out.data(), out.size(),
                                    &consumed, &produced);
  if (result != LIBDEFLATE_SUCCESS) return std::nullopt;
  return produced;
}

std::uint32_t crc32(std::span<const std::byte> bytes) {
  return libdeflate_crc32(0, bytes.data(), bytes.size());
}

}  // namespace v2vfs
