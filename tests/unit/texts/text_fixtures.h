// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "convert/domain/domain_xml.h"
#include "inspect/source/described_machine.h"

namespace v2vfs::inspect::testing {

/// A description that was written for the tests in the manner of one product:
/// tests/golden/KIND/FILE.
struct TextFixture {
  std::string kind;  // "vmx", "xen", "libvirt"
  std::filesystem::path file;
  std::string name() const { return kind + "/" + file.stem().string(); }
};

std::vector<TextFixture> text_fixtures();
std::vector<TextFixture> text_fixtures(const std::string& kind);

/// Parsed, with the .vmsd beside it; nobody looks for its files.
DescribedMachine described(const TextFixture& fixture);
DescribedMachine described(const std::string& kind, const std::string& text,
                           const std::string& file);

/// Where a mount at /mnt would have the machine's disks.
std::vector<convert::DomainDisk> disk_paths(const MachineSpec& spec);

}  // namespace v2vfs::inspect::testing
