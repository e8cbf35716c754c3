// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect::testing {

/// Writes zip archives, right ones and lying ones.
class ZipBuilder {
 public:
  struct Member {
    std::string name;
    std::string content;
    bool is_deflated = true;
    bool is_zip64 = false;  // its numbers stand in a Zip64 field
    std::uint32_t mode = 0100644;
    unsigned flags = 0;
    unsigned method = ~0U;  // that is said; ~0: the right one
    std::uint32_t crc_lie = 0;
    std::int64_t bytes_lie = 0;
    std::string local_name;  // empty: the name
  };

  ZipBuilder& add(std::string_view name, std::string_view content);
  ZipBuilder& add(const Member& member);
  std::string archive(std::string_view comment = "") const;

 private:
  std::string bytes_;
  std::string directory_;
  unsigned members_ = 0;
};

/// An .xz file with blocks of that many bytes; 0: one block.
std::string xz_of(std::string_view content, std::size_t block_bytes);

}  // namespace v2vfs::inspect::testing
