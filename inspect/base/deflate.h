// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The one door to libdeflate. Thread safe (a compressor and a decompressor per thread).
namespace v2vfs {

/// Inflates one zlib stream (RFC 1950, Adler-32 checked) that may have anything behind it. Returns
/// the number of bytes written to `out`; nullopt if the stream is damaged or holds more than `out`.
std::optional<std::size_t> inflate_zlib(std::span<const std::byte> in, std::span<std::byte> out);

/// One gzip member (RFC 1952) without a name or a time: the same bytes give the same member.
std::string gzip(std::string_view bytes);

/// `in` as a zlib stream, quickly rather than small.
std::vector<std::byte> deflate_zlib(std::span<const std::byte> in);

/// CRC-32 (ISO 3309, as gzip has it); `before` is that of the bytes before these.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace v2vfs
