// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

/// Which drivers a kernel has, by its own lists. Pure.
namespace v2vfs::inspect {

/// What one kernel's folder says.
struct KernelTexts {
  std::string modules_dep;                // lib/modules/V/modules.dep
  std::string modules_builtin;            // .../modules.builtin
  std::string config;                     // boot/config-V or .../config
  std::vector<std::string> module_files;  // relative paths, where there is no modules.dep
};

struct KnownDriver {
  std::string_view name;    // of the module, with underscores
  std::string_view config;  // without CONFIG_; empty: none of its own
};

/// Drivers of virtual hardware, of the hypervisors a guest may come from, and of what stands in for
/// it.
const std::vector<KnownDriver>& known_drivers();

/// "kernel/drivers/block/virtio-blk.ko.xz" -> "virtio_blk".
std::string module_name(std::string_view path);

/// One entry for each of known_drivers(), in their order.
std::vector<DriverFacts> find_drivers(const KernelTexts& texts);

/// CONFIG_NAME=VALUE lines: name without CONFIG_ -> value.
std::map<std::string, std::string> parse_kernel_config(std::string_view text);

/// What the kernel unpacks an initrd from: "gzip", "xz", ... by CONFIG_RD_*.
std::vector<std::string> initrd_codecs(const std::map<std::string, std::string>& config);

/// The version in a Linux/x86 boot image (Documentation/x86/boot.rst, kernel_version), or in an
/// ARM64 or other image nothing. `head` is its first 64 KiB.
std::string version_of_image(std::string_view head);

/// "x86_64", "i386", "aarch64", ... of an ELF file (e_machine); empty: no ELF, or an unknown
/// machine.
std::string elf_arch(std::string_view head);

}  // namespace v2vfs::inspect
