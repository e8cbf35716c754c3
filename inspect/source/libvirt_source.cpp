// SPDX-License-Identifier: MIT
#include "inspect/source/libvirt_source.h"

#include <fmt/core.h>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/libvirt_connection.h"
#include "inspect/source/libvirt_snapshots.h"
#include "inspect/source/libvirt_xml.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/packed_files.h"

namespace v2vfs::inspect {
namespace {

constexpr std::string_view kPrefix = "libvirt+";

/// A pool whose folder is not there, or may not be entered, has no disks for us.
std::shared_ptr<const SourceRoots> with_pools(const SourceRoots& roots,
                                              const std::vector<std::string>& folders) {
  auto all = std::make_shared<SourceRoots>(roots);
  for (const std::string& folder : folders) {
    try {
      all->push_back(std::make_shared<const SourceRoot>(folder));
    } catch (const Error&) {
    }
  }
  return all;
}

void say_state(const LibvirtDomain& domain, MachineSpec& spec) {
  if (domain.is_active) {
    ovf::add_problem(spec.problems, {"machine-running", Severity::error,
                                     "The domain is running: its disks change while they are read.",
                                     "Shut it down."});
  } else if (domain.has_saved_memory) {
    ovf::add_problem(spec.problems,
                     {"machine-suspended", Severity::warning,
                      "The domain's memory is saved (managedsave): its disks are as those of a "
                      "machine whose power failed.",
                      "Start it and shut it down."});
  }
}

Reading read_domain(const std::string& uri, const LibvirtDomain& domain,
                    const std::shared_ptr<const SourceRoots>& roots,
                    const std::shared_ptr<AccessPointCache>& places, NameLists& names) {
  Reading reading;
  reading.descriptor.name = uri + "#" + domain.name;
  reading.descriptor.kind = ContentKind::domain;
  FoundMachine found;
  found.descriptor_path = reading.descriptor.path();
  const auto files = std::make_shared<const PackedFiles>(
      std::make_shared<const LocalFiles>(nullptr, "", roots), places);
  found.files = files;
  try {
    DescribedMachine machine = parse_domain_xml(domain.xml, domain.name);
    read_domain_snapshots(domain.snapshots, domain.current_snapshot, machine.spec);
    say_state(domain, machine.spec);
    found.spec =
        checked_machine(std::move(machine), FileHabit::moved, *files, found.descriptor_path, names);
  } catch (const Error& error) {
    reading.error = error;
    found.spec.name = found.spec.id = domain.name;
    ovf::add_problem(found.spec.problems, {"descriptor-unreadable", Severity::error,
                                           error.sentence() + ".", "Look at virsh dumpxml."});
  }
  reading.machines.push_back(std::move(found));
  return reading;
}

}  // namespace

bool is_libvirt_uri(std::string_view path) { return path.starts_with(kPrefix); }

std::vector<Reading> read_libvirt_source(const std::string& uri,
                                         const std::shared_ptr<const SourceRoots>& roots,
                                         const std::shared_ptr<AccessPointCache>& places,
                                         NameLists& names) {
  const LibvirtListing listing = list_libvirt(uri.substr(kPrefix.size()));
  const auto all = with_pools(*roots, listing.pool_folders);
  std::vector<Reading> readings;
  for (const LibvirtDomain& domain : listing.domains) {
    readings.push_back(read_domain(uri, domain, all, places, names));
  }
  return readings;
}

}  // namespace v2vfs::inspect
