// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// The compressions that Linux unpacks an initrd from, each by its own library. The libraries are
/// used directly, not through libarchive: an image has to be cut exactly where the kernel cuts it,
/// and libarchive reads concatenated members and padding as one stream.
namespace v2vfs::inspect {

enum class Compression { none, gzip, bzip2, lzma, xz, lzo, lz4, zstd };

/// By the magic numbers of lib/decompress.c; nullopt: none of them, and no newc archive ("none").
std::optional<Compression> compression_of(std::string_view first_bytes);
std::string_view word(Compression compression);

/// One compressed stream. Decoders may use 160 MiB at most. Not thread safe.
class StreamDecoder {
 public:
  struct Step {
    std::size_t taken = 0;
    std::size_t made = 0;
    bool ended = false;  // the stream's end mark was read; `taken` is exact
  };
  virtual ~StreamDecoder() = default;
  /// Throws Error(EIO) for damage, Error(ENOMEM) for what needs too much memory.
  virtual Step step(std::string_view in, std::span<char> out) = 0;
};

/// gzip, bzip2, lzma, xz, zstd; nullptr for the others.
std::unique_ptr<StreamDecoder> make_decoder(Compression compression);

/// Legacy lz4 has no end mark: blocks of a length and data, until the image ends or a length cannot
/// be one. Returns the offset behind the last block; `sink` gets what was in them. The kernel reads
/// any bytes behind it as one more block, so whatever stands there but zeros stops it.
std::uint64_t decode_lz4_blocks(
    std::uint64_t offset, std::uint64_t end,
    const std::function<std::string(std::uint64_t, std::size_t)>& read_at,
    const std::function<void(std::string_view)>& sink);

/// What decode_lz4_blocks() reads, as `lz4 -l` writes it: the magic number and blocks of 8 MiB. The
/// same bytes give the same blocks.
std::string encode_lz4_blocks(std::string_view bytes);

}  // namespace v2vfs::inspect
