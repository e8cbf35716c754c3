// SPDX-License-Identifier: MIT
#include "inspect/base/deflate.h"

#include <libdeflate.h>

#include <memory>
#include <new>

namespace v2vfs {
namespace {

constexpr int kQuickest = 1;

struct Free {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

libdeflate_decompressor* decompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, Free> mine(libdeflate_alloc_decompressor());
  if (!mine) throw std::bad_alloc();
  return mine.get();
}

libdeflate_compressor* compressor() {
  thread_local std::unique_ptr<libdeflate_compressor, Free> mine(
      libdeflate_alloc_compressor(kQuickest));
  if (!mine) throw std::bad_alloc();
  return mine.get();
}

}  // namespace

std::optional<std::size_t> inflate_zlib(std::span<const std::byte> in, std::span<std::byte> out) {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  const libdeflate_result result = libdeflate_zlib_decompress_ex(
      decompressor(), in.data(), in.size(), out.data(), out.size(), &consumed, &produced);
  if (result != LIBDEFLATE_SUCCESS) return std::nullopt;
  return produced;
}

std::string gzip(std::string_view bytes) {
  constexpr int kLevel = 6;
  const std::unique_ptr<libdeflate_compressor, Free> compressor(
      libdeflate_alloc_compressor(kLevel));
  if (!compressor) throw std::bad_alloc();
  std::string out(libdeflate_gzip_compress_bound(compressor.get(), bytes.size()), '\0');
  out.resize(libdeflate_gzip_compress(compressor.get(), bytes.data(), bytes.size(), out.data(),
                                      out.size()));
  return out;
}

std::vector<std::byte> deflate_zlib(std::span<const std::byte> in) {
  std::vector<std::byte> out(libdeflate_zlib_compress_bound(compressor(), in.size()));
  out.resize(libdeflate_zlib_compress(compressor(), in.data(), in.size(), out.data(), out.size()));
  return out;
}

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  return libdeflate_crc32(before, bytes.data(), bytes.size());
}

}  // namespace v2vfs
