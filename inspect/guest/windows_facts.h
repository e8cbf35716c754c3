// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"

namespace v2vfs::inspect {

/// Fills `facts` (root is set) from a mounted Windows whose folder is `systemroot`, by its
/// registry.
void collect_windows(GuestReader& reader, const std::string& systemroot, const DiskFacts& disks,
                     bool list_applications, GuestFacts& facts);

/// What the registry says of the version; pure.
struct WindowsVersion {
  std::string product_name;
  std::string current_version;  // "6.3", also where it is 10.0
  std::optional<unsigned> major;
  std::optional<unsigned> minor;
  std::string build;
  std::string installation_type;
};
OsFacts identify_windows(const WindowsVersion& version);

/// REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ (UTF-16LE) as UTF-8, one element a string; lone surrogates
/// become U+FFFD. Pure.
std::vector<std::string> registry_strings(const RegistryValue& value);

/// REG_DWORD or REG_QWORD; nullopt: another type. Pure.
std::optional<std::uint64_t> registry_number(const RegistryValue& value);

/// "x86_64", "i386", "aarch64" of a PE file's first bytes; empty: none. Pure.
std::string pe_arch(std::string_view head);

}  // namespace v2vfs::inspect
