// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::test {

/// What a made-up kernel module says of itself.
struct ModuleSpec {
  std::vector<std::string> exports;  // symbols
  std::vector<std::string> imports;
  std::vector<std::string> info;  // "alias=virtio:d00000002v*", "softdep=pre: crc32c"
  std::size_t bytes = 0;          // of code, to make it large
};

/// An ELF file that depmod takes for a module (gABI: a relocatable object with .modinfo, a symbol
/// table and __ksymtab_strings).
std::string make_module(const ModuleSpec& spec);

}  // namespace v2vfs::test
