// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// The one door to libdeflate. Thread safe (a decompressor per thread).
namespace v2vfs {

/// Inflates one zlib stream (RFC 1950, Adler-32 checked) that may have anything behind it. Returns the
/// number of bytes written to `out`; nullopt if the stream is damaged or holds more than `out`.
std::optional<std::size_t> inflate_zlib(std::span<const std::byte> in, std::span<std::byte> out);

/// CRC-32 (ISO 3309, as gzip has it).
std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace v2vfs
