// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/define.h"

#include <cerrno>
#include <cstdio>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/domain_file.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/libvirt_host.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

/// What hardware a guest can run on may have to be found out first.
std::string domain_xml(const Place& vm, bool quiet) {
  const Waiting waiting(vm, "its domain is made", quiet);
  return read_text_of(vm, vm.folder() + "/domain.xml");
}

void define_vm(const LibvirtHost& host, const Place& vm, const DefineOptions& options) {
  LibvirtDomain domain = host.define(domain_xml(vm, options.quiet));
  if (options.start && !domain.is_active()) {
    // Where QEMU opens the disks the guest may be converted, or edits may be brought in.
    const Waiting waiting(vm, "it is started", options.quiet);
    domain.start();
  }
  if (options.quiet) return;
  std::printf("%s: defined%s as %s\n", vm.vm.c_str(), options.start ? " and started" : "",
              domain.name().c_str());
}

void undefine_vm(const LibvirtHost& host, const Place& vm, const DefineOptions& options) {
  std::optional<LibvirtDomain> domain = host.find(parse_domain(domain_xml(vm, options.quiet)).uuid);
  if (!domain) throw Error(ENOENT, "{}: libvirt has no such domain", vm.vm);
  const std::string name = domain->name();
  if (domain->is_active()) {
    throw Error(EBUSY, "{} is running: shut it down first (virsh shutdown {})", vm.vm, name);
  }
  if (domain->has_saved_memory()) {
    throw Error(EBUSY,
                "{} has saved memory: start it and shut it down, or drop that with virsh "
                "managedsave-remove {}",
                vm.vm, name);
  }
  domain->undefine();
  if (!options.quiet) std::printf("%s: libvirt has no %s any more\n", vm.vm.c_str(), name.c_str());
}

}  // namespace

int define_vms(const DefineOptions& options) {
  const std::vector<Place> vms = places_of(options.words);
  const LibvirtHost host(options.uri);
  return for_each_vm(vms, [&](const Place& vm) { define_vm(host, vm, options); });
}

int undefine_vms(const DefineOptions& options) {
  const std::vector<Place> vms = places_of(options.words);
  const LibvirtHost host(options.uri);
  return for_each_vm(vms, [&](const Place& vm) { undefine_vm(host, vm, options); });
}

}  // namespace v2vfs::ctl
