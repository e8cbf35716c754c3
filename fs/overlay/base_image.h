// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace v2vfs::fs {

/// What lies under an overlay: a file of fixed size whose bytes never change. Thread safe.
class BaseImage {
 public:
  virtual ~BaseImage() = default;
  virtual std::uint64_t bytes() const = 0;
  /// Fills `out`; the range lies inside. Throws Error.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) = 0;
  struct Stretch {
    std::uint64_t end = 0;  // exclusive
    bool is_hole = false;   // true only if the bytes read as zeros
  };
  /// The stretch that `offset` (< bytes()) lies in.
  virtual Stretch stretch_at(std::uint64_t offset) = 0;
};

}  // namespace v2vfs::fs
