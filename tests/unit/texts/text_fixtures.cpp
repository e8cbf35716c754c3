// SPDX-License-Identifier: MIT
#include "tests/unit/texts/text_fixtures.h"

#include <fmt/core.h>

#include <algorithm>

#include "inspect/source/libvirt_xml.h"
#include "inspect/source/vmx.h"
#include "inspect/source/xl_config.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect::testing {

namespace fs = std::filesystem;

std::vector<TextFixture> text_fixtures(const std::string& kind) {
  std::vector<TextFixture> found;
  for (const auto& entry : fs::directory_iterator(fs::path(V2VFS_GOLDEN) / kind)) {
    const fs::path& path = entry.path();
    if (entry.is_regular_file() && path.extension() != ".vmsd") found.push_back({kind, path});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.file < b.file; });
  return found;
}

std::vector<TextFixture> text_fixtures() {
  std::vector<TextFixture> all;
  for (const char* const kind : {"vmx", "xen", "libvirt"}) {
    for (TextFixture& each : text_fixtures(kind)) all.push_back(std::move(each));
  }
  return all;
}

DescribedMachine described(const std::string& kind, const std::string& text,
                           const std::string& file) {
  if (kind == "vmx") return parse_vmx(text, file);
  if (kind == "xen") return parse_xen_config(text, file);
  return parse_domain_xml(text, file);
}

DescribedMachine described(const TextFixture& fixture) {
  DescribedMachine machine =
      described(fixture.kind, read_whole(fixture.file), fixture.file.filename().string());
  fs::path vmsd = fixture.file;
  vmsd.replace_extension(".vmsd");
  if (fixture.kind == "vmx" && fs::exists(vmsd)) {
    read_vmsd(read_whole(vmsd), vmsd.filename().string(), machine.spec);
  }
  return machine;
}

std::vector<convert::DomainDisk> disk_paths(const MachineSpec& spec) {
  std::vector<convert::DomainDisk> paths;
  for (std::size_t i = 1; i <= spec.disks.size(); ++i) {
    paths.push_back({i == 1 ? "/mnt/vm/disk.qcow2" : fmt::format("/mnt/vm/disk-{}.qcow2", i)});
  }
  return paths;
}

}  // namespace v2vfs::inspect::testing
