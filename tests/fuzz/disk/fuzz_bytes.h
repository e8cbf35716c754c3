// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace v2vfs::fuzz {

/// Numbers and text out of a fuzzer's input. Numbers are taken from its end and what remains is
/// text, so that a mutation of the one does not move the other. Once it is empty all are the least.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  std::size_t left() const { return left_; }

  /// From `least` to `most`, both included.
  template <typename Number>
  Number between(Number least, Number most) {
    const auto range = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
    std::uint64_t value = 0;
    for (std::uint64_t rest = range; rest > 0 && left_ > 0; rest >>= 8) {
      value = value << 8 | data_[--left_];
    }
    if (range != UINT64_MAX) value %= range + 1;
    return static_cast<Number>(static_cast<std::uint64_t>(least) + value);
  }

  template <typename Number>
  Number number() {
    return between<Number>(0, static_cast<Number>(-1));
  }

  bool flag() { return between<unsigned>(0, 1) != 0; }

  std::string rest() {
    const std::string text(reinterpret_cast<const char*>(data_), left_);
    left_ = 0;
    return text;
  }

 private:
  const std::uint8_t* const data_;
  std::size_t left_;
};

}  // namespace v2vfs::fuzz
