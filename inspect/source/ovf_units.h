// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Numbers and units of OVF: DSP0243 (Item, Disk) and DSP0004 annex "Programmatic Units". Pure.
namespace v2vfs::inspect::ovf {

/// How many bytes a unit is.
struct Unit {
  std::uint64_t bytes = 1;
  bool is_guess = false;  // an unofficial word ("MegaBytes"), read as programs mean it
};

/// "byte * 2^20", "2^30*byte", "byte*1024", "10^9", "megabyte", "MegaBytes", "GB", ... in any order
/// and case. Empty is byte. nullopt if it is not understood, is zero, or does not fit.
std::optional<Unit> parse_unit(std::string_view text);

/// A whole number, perhaps with a fraction of zeros ("4096.0"); nullopt for anything else.
std::optional<std::uint64_t> parse_count(std::string_view text);

/// A MAC address with or without colons, dashes or dots, as "00:50:56:aa:bb:cc". nullopt if it is
/// none, is all zeros, or is a group address.
std::optional<std::string> parse_mac(std::string_view text);

/// A UUID with or without braces and dashes, or as VMware writes it ("56 4d ... -..."), as RFC 4122
/// text in lower case; nullopt for anything else and for all zeros.
std::optional<std::string> parse_uuid(std::string_view text);

/// "true", "1", "yes", "on" in any case.
bool parse_flag(std::string_view text);

}  // namespace v2vfs::inspect::ovf
