// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// One header of a tar archive: POSIX.1-2017 pax (ustar Interchange Format, pax Header Block) and
/// the GNU tar manual, "Basic Tar Format". Pure; every number comes back checked.
namespace v2vfs::inspect {

constexpr std::size_t kTarBlock = 512;
using TarBlock = std::array<std::byte, kTarBlock>;

struct TarHeader {
  char type = '0';
  std::string name;          // of the ustar fields, prefix and all; not checked
  std::uint64_t bytes = 0;   // of the content, less than 2^63
  bool is_extended = false;  // GNU sparse ('S'): more of the map follows the header
};

bool is_zero_block(const TarBlock& block);

/// True if the checksum (of unsigned bytes, or signed ones as old programs sum) is right.
bool has_tar_checksum(const TarBlock& block);

/// nullopt if the size field is no octal number and no GNU base-256 number of 0 to 2^63 - 1. The
/// checksum has been looked at before.
std::optional<TarHeader> decode_tar_header(const TarBlock& block);

/// The records of a pax extended header, the last of a key counts. nullopt if one is malformed.
std::optional<std::map<std::string, std::string>> decode_pax_records(std::string_view text);

/// A decimal number without sign; nullopt beyond 2^63 - 1.
std::optional<std::uint64_t> decode_pax_number(std::string_view text);

}  // namespace v2vfs::inspect
