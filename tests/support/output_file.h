// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "inspect/base/unique_fd.h"
#include "tests/support/pattern.h"

namespace v2vfs::test {

/// A file that a test writes or reads. Throws Error.
class OutputFile {
 public:
  enum class Open { create, read, change };
  OutputFile(const std::string& path, Open how);

  std::uint64_t length() const;
  void resize(std::uint64_t bytes);
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  UniqueFd fd_;
  std::string path_;
};

/// Writes the content's bytes [begin, end) as a sparse file.
void write_flat(const Content& content, std::uint64_t begin, std::uint64_t end, OutputFile& out);

}  // namespace v2vfs::test
