// SPDX-License-Identifier: MIT
#include "inspect/source/text_machine.h"

#include <fmt/core.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/bare_disks.h"
#include "inspect/source/libvirt_xml.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/source_name.h"
#include "inspect/source/vmx.h"
#include "inspect/source/xl_config.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kMostBytes = 8 << 20;

std::string read_whole(const SourceFile& file) {
  if (file.length() > kMostBytes) {
    throw Error(EFBIG, "{}: the description is larger than 8 MiB", file.name());
  }
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

/// The snapshots; a .vmsd that cannot be read takes nothing from the machine itself.
void add_snapshots(const SourceFiles& files, const std::string& stem, MachineSpec& spec) {
  const std::string name = stem + ".vmsd";
  try {
    read_vmsd(read_whole(files.open(name)), name, spec);
  } catch (const Error& error) {
    if (error.error_number() == ENOENT) return;
    ovf::add_problem(spec.problems, {"snapshots-unreadable", Severity::warning,
                                     error.sentence() + ".", "The machine itself is not touched."});
  }
}

/// While a machine runs, or was not shut down, VMware keeps NAME.vmx.lck.
void look_for_lock(const Descriptor& descriptor, MachineSpec& spec) {
  try {
    descriptor.root->open(descriptor.name + ".lck", 0);
  } catch (const Error&) {
    return;
  }
  ovf::add_problem(spec.problems,
                   {"machine-running", Severity::warning,
                    fmt::format("{}.lck is there: the machine runs, or VMware was not ended well; "
                                "its disks may change.",
                                clean_text(file_part(descriptor.name))),
                    "Shut the machine down."});
}

DescribedMachine describe(const Descriptor& descriptor, const SourceFiles& files) {
  const std::string name(file_part(descriptor.name));
  const SourceFile file = files.open(name);
  if (descriptor.kind == ContentKind::disk) {
    return bare_disk_machine(name, folder_part(descriptor.name));
  }
  const std::string text = read_whole(file);
  if (descriptor.kind == ContentKind::xen) return parse_xen_config(text, descriptor.path());
  if (descriptor.kind == ContentKind::domain) return parse_domain_xml(text, descriptor.path());
  DescribedMachine machine = parse_vmx(text, descriptor.path());
  add_snapshots(files, std::string(stem_part(name)), machine.spec);
  look_for_lock(descriptor, machine.spec);
  return machine;
}

}  // namespace

bool is_single_machine(ContentKind kind) {
  return kind == ContentKind::vmx || kind == ContentKind::xen || kind == ContentKind::domain ||
         kind == ContentKind::disk;
}

FoundMachine read_text_machine(const Descriptor& descriptor,
                               const std::shared_ptr<const SourceRoots>& roots,
                               const std::shared_ptr<AccessPointCache>& places, NameLists& names) {
  FoundMachine found;
  found.descriptor_path = descriptor.path();
  const std::string folder(folder_part(descriptor.name));
  const auto files = std::make_shared<const PackedFiles>(
      std::make_shared<const LocalFiles>(descriptor.root, folder, roots), places);
  DescribedMachine machine = describe(descriptor, *files);
  const std::string place(folder_part(found.descriptor_path));
  found.spec = checked_machine(std::move(machine), FileHabit::moved, *files, place, names);
  found.files = files;
  return found;
}

}  // namespace v2vfs::inspect
