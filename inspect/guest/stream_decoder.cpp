// SPDX-License-Identifier: MIT
#include "inspect/guest/stream_decoder.h"

#include <bzlib.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "inspect/base/error.h"
#include "inspect/base/inflate_stream.h"
#include "inspect/base/xz_stream.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint32_t kLz4LegacyMagic = 0x184C2102;
constexpr std::size_t kLz4BlockBytes = 8 << 20;
constexpr int kZstdWindowLog = 27;

[[noreturn]] void damaged(std::string_view what) {
  throw Error(EIO, "the {} stream in it is damaged", what);
}

class GzipDecoder : public StreamDecoder {
 public:
  Step step(std::string_view in, std::span<char> out) override {
    const auto step = stream_.step(std::as_bytes(std::span(in)), std::as_writable_bytes(out));
    if (!step) damaged("gzip");
    return {step->taken, step->made, step->ended};
  }

 private:
  InflateStream stream_{InflateStream::Format::gzip};
};

class Bzip2Decoder : public StreamDecoder {
 public:
  Bzip2Decoder() {
    if (::BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }
  ~Bzip2Decoder() override { ::BZ2_bzDecompressEnd(&stream_); }

  Step step(std::string_view in, std::span<char> out) override {
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = static_cast<unsigned>(in.size());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<unsigned>(out.size());
    const int result = ::BZ2_bzDecompress(&stream_);
    if (result != BZ_OK && result != BZ_STREAM_END) damaged("bzip2");
    return {in.size() - stream_.avail_in, out.size() - stream_.avail_out, result == BZ_STREAM_END};
  }

 private:
  bz_stream stream_{};
};

/// xz and its forerunner.
class LzmaDecoder : public StreamDecoder {
 public:
  explicit LzmaDecoder(XzStream::Format format) : stream_(format) {}

  Step step(std::string_view in, std::span<char> out) override {
    const auto step = stream_.step(std::as_bytes(std::span(in)), std::as_writable_bytes(out));
    if (!step) damaged("xz or lzma");
    return {step->taken, step->made, step->ended};
  }

 private:
  XzStream stream_;
};

class ZstdDecoder : public StreamDecoder {
 public:
  ZstdDecoder() : stream_(::ZSTD_createDStream()) {
    if (!stream_) throw std::bad_alloc();
    ::ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLog);
  }
  ~ZstdDecoder() override { ::ZSTD_freeDStream(stream_); }

  Step step(std::string_view in, std::span<char> out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t result = ::ZSTD_decompressStream(stream_, &output, &input);
    if (::ZSTD_isError(result)) damaged("zstd");
    return {input.pos, output.pos, result == 0};
  }

 private:
  ZSTD_DStream* stream_;
};

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::optional<Compression> compression_of(std::string_view first) {
  using namespace std::string_view_literals;
  if (first.starts_with("07070")) return Compression::none;
  if (first.starts_with("\x1f\x8b"sv) || first.starts_with("\x1f\x9e"sv)) return Compression::gzip;
  if (first.starts_with("BZh")) return Compression::bzip2;
  if (first.starts_with("\x5d\x00"sv)) return Compression::lzma;
  if (first.starts_with("\xfd"
                        "7zXZ\0"sv))
    return Compression::xz;
  if (first.starts_with("\x89LZO\0"sv)) return Compression::lzo;
  if (first.starts_with("\x02\x21\x4c\x18"sv)) return Compression::lz4;
  if (first.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  return std::nullopt;
}

std::string_view word(Compression compression) {
  switch (compression) {
    case Compression::none:
      return "none";
    case Compression::gzip:
      return "gzip";
    case Compression::bzip2:
      return "bzip2";
    case Compression::lzma:
      return "lzma";
    case Compression::xz:
      return "xz";
    case Compression::lzo:
      return "lzo";
    case Compression::lz4:
      return "lz4";
    case Compression::zstd:
      return "zstd";
  }
  return "";
}

std::unique_ptr<StreamDecoder> make_decoder(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipDecoder>();
    case Compression::bzip2:
      return std::make_unique<Bzip2Decoder>();
    case Compression::lzma:
      return std::make_unique<LzmaDecoder>(XzStream::Format::lzma);
    case Compression::xz:
      return std::make_unique<LzmaDecoder>(XzStream::Format::xz);
    case Compression::zstd:
      return std::make_unique<ZstdDecoder>();
    case Compression::none:
    case Compression::lzo:
    case Compression::lz4:
      break;
  }
  return nullptr;
}

std::uint64_t decode_lz4_blocks(
    std::uint64_t offset, std::uint64_t end,
    const std::function<std::string(std::uint64_t, std::size_t)>& read_at,
    const std::function<void(std::string_view)>& sink) {
  std::string out(kLz4BlockBytes, '\0');
  const std::size_t longest = static_cast<std::size_t>(::LZ4_compressBound(kLz4BlockBytes));
  while (offset + 4 <= end) {
    const std::uint32_t size = little_endian(read_at(offset, 4));
    if (size == kLz4LegacyMagic) {
      offset += 4;
      continue;
    }
    if (size == 0 || size > longest || size > end - offset - 4) break;
    const std::string block = read_at(offset + 4, size);
    const int made = ::LZ4_decompress_safe(block.data(), out.data(), static_cast<int>(block.size()),
                                           static_cast<int>(out.size()));
    if (made < 0) damaged("lz4");
    sink(std::string_view(out).substr(0, static_cast<std::size_t>(made)));
    offset += 4 + size;
  }
  return offset;
}

std::string encode_lz4_blocks(std::string_view bytes) {
  std::string out;
  const auto put_number = [&out](std::uint32_t number) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>(number >> 8 * i);
  };
  put_number(kLz4LegacyMagic);
  std::string block(static_cast<std::size_t>(::LZ4_compressBound(kLz4BlockBytes)), '\0');
  for (std::size_t at = 0; at < bytes.size(); at += kLz4BlockBytes) {
    const std::string_view piece = bytes.substr(at, kLz4BlockBytes);
    const int made = ::LZ4_compress_default(
        piece.data(), block.data(), static_cast<int>(piece.size()), static_cast<int>(block.size()));
    put_number(static_cast<std::uint32_t>(made));
    out.append(block, 0, static_cast<std::size_t>(made));
  }
  return out;
}

}  // namespace v2vfs::inspect
