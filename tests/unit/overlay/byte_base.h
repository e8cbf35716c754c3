// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "fs/overlay/base_image.h"

namespace v2vfs::fs {

/// A base of `bytes` bytes, none of them zero but for holes; counts what it is asked.
class ByteBase final : public BaseImage {
 public:
  explicit ByteBase(std::uint64_t bytes) : content_(bytes) {
    for (std::uint64_t i = 0; i < bytes; ++i)
      content_[i] = static_cast<std::byte>(1 + (i * 7 + i / 512 * 31) % 255);
  }
  void make_hole(std::uint64_t offset, std::uint64_t length) {
    std::memset(content_.data() + offset, 0, length);
    holes_.push_back({offset, offset + length});
  }

  std::uint64_t bytes() const override { return content_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) override {
    ++reads;
    last_buffer = out.data();
    last_length = out.size();
    if (offset + out.size() > content_.size()) std::abort();
    std::memcpy(out.data(), content_.data() + offset, out.size());
  }
  Stretch stretch_at(std::uint64_t offset) override {
    std::uint64_t end = content_.size();
    for (const auto& [from, to] : holes_) {
      if (offset >= from && offset < to) return {to, true};
      if (from > offset) end = std::min(end, from);
    }
    return {end, false};
  }
  const std::vector<std::byte>& content() const { return content_; }

  std::atomic<int> reads{0};
  std::atomic<std::byte*> last_buffer{nullptr};
  std::atomic<std::size_t> last_length{0};

 private:
  std::vector<std::byte> content_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes_;
};

}  // namespace v2vfs::fs
