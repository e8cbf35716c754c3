// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

/// Numbers as they lie in files: VMDK and partition tables are little-endian, qcow2 and VHD are
/// big-endian. The pointers need no alignment.
namespace v2vfs {

inline std::uint16_t swap_bytes(std::uint16_t value) { return __builtin_bswap16(value); }
inline std::uint32_t swap_bytes(std::uint32_t value) { return __builtin_bswap32(value); }
inline std::uint64_t swap_bytes(std::uint64_t value) { return __builtin_bswap64(value); }

template <typename Number>
Number from_little_endian(Number value) {
  return std::endian::native == std::endian::little ? value : swap_bytes(value);
}

template <typename Number>
Number to_big_endian(Number value) {
  return std::endian::native == std::endian::big ? value : swap_bytes(value);
}

template <typename Number>
Number load_little_endian(const std::byte* from) {
  Number value;
  std::memcpy(&value, from, sizeof value);
  return from_little_endian(value);
}

/// The number at `offset`, which lies inside `bytes`.
template <typename Number>
Number load_little_endian(std::string_view bytes, std::size_t offset) {
  return load_little_endian<Number>(std::as_bytes(std::span(bytes)).subspan(offset).data());
}

template <typename Number>
Number load_big_endian(const std::byte* from) {
  Number value;
  std::memcpy(&value, from, sizeof value);
  return to_big_endian(value);
}

template <typename Number>
void store_big_endian(std::byte* to, Number value) {
  const Number swapped = to_big_endian(value);
  std::memcpy(to, &swapped, sizeof swapped);
}

}  // namespace v2vfs
