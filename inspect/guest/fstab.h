// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The tables in which a Linux guest names its block devices. Pure; lines that make no sense are
/// left out, as the guest's own tools do.
namespace v2vfs::inspect {

/// One line of fstab(5).
struct FstabEntry {
  std::size_t line = 0;  // counted from 1
  std::string spec;      // quotes and octal escapes taken away
  std::string path;      // "none" and the like for swap
  std::string type;
  std::string options;  // as written
  unsigned pass = 0;

  bool has_option(std::string_view name) const;
  /// Of "name=value".
  std::optional<std::string> option(std::string_view name) const;
};
std::vector<FstabEntry> parse_fstab(std::string_view text);

/// One line of crypttab(5).
struct CrypttabEntry {
  std::size_t line = 0;
  std::string name;  // of the mapping
  std::string device;
  std::string key_file;
  std::string options;
};
std::vector<CrypttabEntry> parse_crypttab(std::string_view text);

/// One ARRAY line of mdadm.conf(5).
struct MdArrayEntry {
  std::string device;  // "/dev/md0", "/dev/md/root"
  std::string uuid;    // 32 hexadecimal digits, lower case; empty: not said
  std::string name;
};
std::vector<MdArrayEntry> parse_mdadm_conf(std::string_view text);

/// An absolute path without doubled, trailing and "." parts; nullopt where it is not absolute or
/// climbs ("..").
std::optional<std::string> plain_path(std::string_view path);

}  // namespace v2vfs::inspect
