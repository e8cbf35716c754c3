// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace v2vfs::test {

/// What a test disk holds: known bytes at known places, and nothing elsewhere.
class Content {
 public:
  static constexpr std::uint64_t kBlock = 64 << 10;

  virtual ~Content() = default;
  virtual std::uint64_t bytes() const = 0;
  /// True if [offset, offset + length) has a byte that was written; what was not is zeros.
  virtual bool has_data(std::uint64_t offset, std::uint64_t length) const = 0;
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// Pseudo-random: text, noise, written zeros and holes by blocks of 64 KiB; the first and the last
/// block hold data. Disks above 256 MiB have about `kFew` blocks of data, spread over all of it.
std::unique_ptr<Content> pattern(std::uint64_t bytes, std::uint64_t seed);
inline constexpr std::uint64_t kFew = 600;

/// The bytes of a file; blocks of zeros count as never written.
std::unique_ptr<Content> file_content(const std::string& path);

/// Writes it as a sparse raw file.
void write_raw(const Content& content, const std::string& path);

}  // namespace v2vfs::test
