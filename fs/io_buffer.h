// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace v2vfs::fs {

/// Page-aligned memory for file content. Grows, never shrinks; growing drops what was in it.
class IoBuffer {
 public:
  std::span<std::byte> get(std::size_t bytes) {
    if (capacity_ < bytes) grow(bytes);
    return {static_cast<std::byte*>(memory_.get()), bytes};
  }

 private:
  static constexpr std::size_t kPage = 4096;
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  void grow(std::size_t bytes) {
    const std::size_t whole_pages = (bytes + kPage - 1) / kPage * kPage;
    capacity_ = 0;
    memory_.reset(std::aligned_alloc(kPage, whole_pages));
    if (!memory_) throw std::bad_alloc();
    capacity_ = whole_pages;
  }

  std::unique_ptr<void, Free> memory_;
  std::size_t capacity_ = 0;
};

}  // namespace v2vfs::fs
