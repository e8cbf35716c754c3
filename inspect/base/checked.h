// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

/// Arithmetic on numbers that a source supplied. All are bytes or counts; nullopt is overflow.
namespace v2vfs {

using Checked = std::optional<std::uint64_t>;

inline Checked checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline Checked checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// True if [offset, offset + length) lies inside [0, limit).
inline bool range_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t limit) {
  return offset <= limit && length <= limit - offset;
}

/// `unit` is a power of two. The caller knows that value + unit does not overflow.
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) & ~(unit - 1);
}
constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) {
  return value & ~(unit - 1);
}
constexpr std::uint64_t ceil_div(std::uint64_t value, std::uint64_t unit) {
  return value / unit + (value % unit != 0);
}
constexpr bool is_power_of_two(std::uint64_t value) { return value && !(value & (value - 1)); }

}  // namespace v2vfs
