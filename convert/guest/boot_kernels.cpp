// SPDX-License-Identifier: MIT
#include "convert/guest/boot_kernels.h"

#include <fmt/core.h>

#include <algorithm>

#include "convert/guest/plan_draft.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::DriverFacts;
using inspect::DriverState;
using inspect::GuestFacts;
using inspect::InitrdFacts;
using inspect::KernelFacts;

/// What an initrd's supplement may need.
constexpr std::uint64_t kRoom = 4 << 20;

bool is_below(const std::string& path, const std::string& mountpoint) {
  return mountpoint == "/" || path.starts_with(mountpoint + "/");
}

/// Of the filesystem that a path is on; nullopt: not known.
std::optional<std::uint64_t> room_at(const GuestFacts& guest, const std::string& path) {
  const inspect::FilesystemFacts* best = nullptr;
  for (const inspect::FilesystemFacts& each : guest.filesystems) {
    if (each.mountpoint.empty() || !is_below(path, each.mountpoint)) continue;
    if (!best || each.mountpoint.size() > best->mountpoint.size()) best = &each;
  }
  return best && best->space ? std::optional(best->space->free_bytes) : std::nullopt;
}

std::size_t images_of(const GuestFacts& guest) {
  const auto kernels = bootable_kernels(guest);
  return static_cast<std::size_t>(std::count_if(
      kernels.begin(), kernels.end(), [](const KernelFacts* each) { return bool(each->initrd); }));
}

std::string tool_of_family(const GuestFacts& guest) {
  const auto has = [&](std::string_view name) {
    return std::any_of(guest.applications.begin(), guest.applications.end(),
                       [&](const inspect::Application& each) { return each.name == name; });
  };
  if (has("dracut")) return "dracut";
  switch (family_of(guest.os)) {
    case Family::debian:
      return "initramfs-tools";
    case Family::rhel:
      return guest.os.major.value_or(0) >= 6 ? "dracut" : "mkinitrd";
    case Family::suse:
      return guest.os.major.value_or(0) >= 12 ? "dracut" : "mkinitrd-suse";
    case Family::alt:
    case Family::other:
      return "";
  }
  return "";
}

}  // namespace

std::vector<const KernelFacts*> bootable_kernels(const GuestFacts& guest) {
  const bool any_named = std::any_of(guest.kernels.begin(), guest.kernels.end(),
                                     [](const KernelFacts& each) { return each.in_bootloader; });
  std::vector<const KernelFacts*> found;
  for (const KernelFacts& each : guest.kernels) {
    const bool bootable = any_named ? each.in_bootloader : !each.path.empty();
    if (bootable && !each.xen_pv_only) found.push_back(&each);
  }
  return found;
}

const KernelFacts* default_kernel(const GuestFacts& guest) {
  const auto kernels = bootable_kernels(guest);
  for (const KernelFacts* const each : kernels) {
    if (each->is_default) return each;
  }
  for (const KernelFacts* const each : kernels) {
    if (!each->debug) return each;
  }
  return kernels.empty() ? nullptr : kernels.front();
}

const DriverFacts* find_driver(const KernelFacts& kernel, std::string_view name) {
  for (const DriverFacts& each : kernel.drivers) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

bool has_driver(const KernelFacts& kernel, std::string_view name) {
  const DriverFacts* const found = find_driver(kernel, name);
  return found && found->state != DriverState::absent;
}

bool has_at_boot(const KernelFacts& kernel, std::string_view name) {
  const DriverFacts* const found = find_driver(kernel, name);
  return found && (found->state == DriverState::builtin || found->in_initrd);
}

std::string why_initrd_stays(const GuestFacts& guest, const KernelFacts& kernel) {
  if (!kernel.initrd) return "it starts without an initrd";
  const InitrdFacts& initrd = *kernel.initrd;
  const std::string path = clean_text(initrd.path);
  if (!initrd.problem.empty()) return path + ": " + clean_text(initrd.problem, 512);
  if (initrd.segments.empty()) return path + " was not looked into";
  if (initrd.tail == "unknown") {
    return path + " has something behind its last archive that the kernel cannot read";
  }
  if (initrd.generator == "booster") return path + " is booster's, which loads what its list says";
  const auto room = room_at(guest, initrd.real_path);
  if (room && *room < kRoom * std::max<std::size_t>(images_of(guest), 1)) {
    return fmt::format("{} KiB are free where {} is, too little to add drivers", *room >> 10, path);
  }
  return "";
}

std::string initrd_tool(const GuestFacts& guest, const KernelFacts& kernel) {
  if (kernel.initrd && !kernel.initrd->generator.empty()) return kernel.initrd->generator;
  return tool_of_family(guest);
}

}  // namespace v2vfs::convert
