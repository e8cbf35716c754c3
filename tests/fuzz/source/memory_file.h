// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The input as a file of the host.
inline SourceFile memory_file(std::span<const std::uint8_t> bytes) {
  auto fd = std::make_shared<const UniqueFd>(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(fd->get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  return {std::move(fd), "fuzz", 0, bytes.size()};
}

/// Reads at the beginning, in the middle, at the end and back: what can be read twice is the same.
inline void check_reads(const SourceFile& file) {
  const std::uint64_t length = file.length();
  std::vector<std::byte> all(std::min<std::uint64_t>(length, 1 << 20));
  file.read(0, all);
  std::vector<std::byte> part(std::min<std::size_t>(all.size(), 1000));
  for (const std::size_t offset : {all.size() - part.size(), all.size() / 2, std::size_t{0}}) {
    const std::size_t bytes = std::min(part.size(), all.size() - offset);
    file.read(offset, std::span(part).first(bytes));
    if (!std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(bytes),
                    all.begin() + static_cast<std::ptrdiff_t>(offset))) {
      std::abort();
    }
  }
  file.read(length - part.size(), part);
}

}  // namespace v2vfs::inspect
