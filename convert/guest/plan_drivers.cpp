// SPDX-License-Identifier: MIT
//
// On what a guest can run: which drivers its kernels have and its initrds lack.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_draft.h"
#include "convert/guest/system_edits.h"
#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::DriverFacts;
using inspect::DriverState;
using inspect::KernelFacts;
using inspect::Severity;
using Names = std::vector<std::string>;

/// What a supplement brings, in the order in which they load.
constexpr std::array kWanted = {"virtio_pci", "virtio_blk",  "scsi_mod",
                                "sd_mod",     "virtio_scsi", "virtio_net"};

Names needed_for(BlockBus bus) {
  if (bus == BlockBus::virtio_blk) return {"virtio_pci", "virtio_blk"};
  if (bus == BlockBus::virtio_scsi) return {"virtio_pci", "virtio_scsi", "sd_mod"};
  return {"ahci", "sd_mod"};
}

bool boots_as_it_is(const KernelFacts& kernel, BlockBus bus) {
  const Names needed = needed_for(bus);
  return std::all_of(needed.begin(), needed.end(),
                     [&](const std::string& name) { return has_at_boot(kernel, name); });
}

/// Why a kernel cannot start from this bus, even with what is added; empty: it can.
std::string why_not(const PlanDraft& draft, const KernelFacts& kernel, BlockBus bus) {
  for (const std::string& name : needed_for(bus)) {
    if (!has_driver(kernel, name)) return "it has no driver " + name;
  }
  return boots_as_it_is(kernel, bus) ? "" : draft.why_initrd_stays(kernel);
}

/// SATA's drivers are not added: a guest that has them in its initrd boots so.
BlockBus choose_bus(PlanDraft& draft, const KernelFacts& kernel) {
  const std::string blk = why_not(draft, kernel, BlockBus::virtio_blk);
  if (blk.empty()) return BlockBus::virtio_blk;
  if (why_not(draft, kernel, BlockBus::virtio_scsi).empty()) return BlockBus::virtio_scsi;
  draft.plan().reason =
      "kernel " + clean_text(kernel.version) + " cannot start from virtio disks: " + blk;
  return boots_as_it_is(kernel, BlockBus::sata) ? BlockBus::sata : BlockBus::source;
}

GuestNic choose_nic(const KernelFacts& kernel) {
  if (has_driver(kernel, "virtio_net") && has_driver(kernel, "virtio_pci")) return GuestNic::virtio;
  if (has_driver(kernel, "e1000e")) return GuestNic::e1000e;
  return has_driver(kernel, "e1000") ? GuestNic::e1000 : GuestNic::source;
}

Names lacking(const KernelFacts& kernel) {
  Names names;
  for (const char* const name : kWanted) {
    const DriverFacts* const driver = find_driver(kernel, name);
    if (driver && driver->state == DriverState::module && !driver->in_initrd) {
      names.emplace_back(name);
    }
  }
  return names;
}

void plan_initrd(PlanDraft& draft, const KernelFacts& kernel, BlockBus bus) {
  if (boots_as_it_is(kernel, bus)) return;
  const std::string version = clean_text(kernel.version);
  const std::string why = why_not(draft, kernel, bus);
  if (!why.empty()) {
    draft.say("kernel-left", Severity::warning,
              fmt::format("kernel {} will not start from the new disks: {}", version, why),
              "start another one, or use domain-compat.xml");
    return;
  }
  InitrdNeed& need = *draft.need_of(kernel);
  need.drivers = lacking(kernel);
  need.why = "kernel " + version + " finds its disks through drivers that are not in its initrd";
}

bool is_modern(const PlanDraft& draft, const std::string& version) {
  if (inspect::compare_versions(version, "4.0") >= 0) return true;
  // virtio 1.0 came with Red Hat's 7.2.
  constexpr std::string_view kEl7 = "3.10.0-";
  return draft.family() == Family::rhel && version.starts_with(kEl7) &&
         inspect::leading_number(std::string_view(version).substr(kEl7.size())).value >= 327;
}

/// q35 where virtio 1.0 is, and for Red Hat 6, which knows PCI Express; older ones get the machine
/// that they know.
void choose_machine(PlanDraft& draft, const KernelFacts& kernel) {
  Capabilities& can = draft.plan().capabilities;
  const bool modern = is_modern(draft, kernel.version);
  const bool el6 = draft.family() == Family::rhel && kernel.version.starts_with("2.6.32-");
  can.q35 = can.uefi || modern || el6;
  can.transitional = can.q35 && !modern;
}

std::string least_cpu(const PlanDraft& draft) {
  const std::string& id = draft.guest().os.id;
  const bool enterprise = draft.family() == Family::rhel && id != "fedora" && id != "amzn";
  if (enterprise && draft.is_at_least(10)) return "x86-64-v3";
  const bool sles = draft.guest().os.distro == "sles" && draft.is_at_least(16);
  return (enterprise && draft.is_at_least(9)) || sles ? "x86-64-v2" : "";
}

std::string console_of(const inspect::GuestFacts& guest) {
  std::string console = "tty0";
  const auto entry = guest.bootloader.default_entry;
  if (!entry) return console;
  for (const std::string_view word : inspect::words_of(guest.bootloader.entries[*entry].options)) {
    if (!word.starts_with("console=")) continue;
    console = clean_text(word.substr(8, word.find(',') - 8), 32);
  }
  return console == "hvc0" || console == "xvc0" ? "ttyS0" : console;
}

void take_capabilities(PlanDraft& draft, const KernelFacts& kernel) {
  Capabilities& can = draft.plan().capabilities;
  const auto& spec = draft.spec();
  can.uefi = spec.firmware == inspect::Firmware::uefi ||
             (spec.firmware == inspect::Firmware::unknown &&
              draft.inspection().disks.firmware == inspect::Firmware::uefi);
  can.nic = choose_nic(kernel);
  can.rng = has_driver(kernel, "virtio_rng");
  can.balloon = has_driver(kernel, "virtio_balloon");
  can.virtio_serial = has_driver(kernel, "virtio_console");
  can.guest_agent = draft.has_package("qemu-guest-agent");
  can.cpu = least_cpu(draft);
  can.console = console_of(draft.guest());
  choose_machine(draft, kernel);
}

std::string joined(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

/// Those of a list that this kernel has as modules: a tool may stop at a name that it has not.
Names modules_of(const KernelFacts& kernel) {
  Names names;
  for (const char* const name : {"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net"}) {
    const DriverFacts* const driver = find_driver(kernel, name);
    if (driver && driver->state == DriverState::module) names.emplace_back(name);
  }
  return names;
}

constexpr const char* kWhyDropIn = "the initrds that the guest makes later need virtio as well";
constexpr const char* kDropInHead = "# Drivers of KVM's disks and network cards.\n";

void drop_in_mkinitcpio(PlanDraft& draft, const Names& modules) {
  if (draft.found("/etc/mkinitcpio.conf.d")) {
    draft.create("/etc/mkinitcpio.conf.d/v2vfs.conf",
                 kDropInHead + ("MODULES+=(" + joined(modules) + ")\n"), kWhyDropIn);
    return;
  }
  draft.edit(
      "/etc/mkinitcpio.conf",
      [&](std::string_view text) { return add_words(text, "MODULES", modules); }, kWhyDropIn);
}

void drop_in_suse(PlanDraft& draft, const Names& modules) {
  const Names xen = {"xennet", "xen-vnif", "xenblk", "xen-vbd"};
  draft.edit(
      "/etc/sysconfig/kernel",
      [&](std::string_view text) { return add_words(text, "INITRD_MODULES", modules, xen); },
      kWhyDropIn);
}

void drop_in_initramfs_tools(PlanDraft& draft, const Names& modules) {
  std::string lines = kDropInHead;
  for (const std::string& module : modules) lines += module + "\n";
  draft.create("/usr/share/initramfs-tools/modules.d/v2vfs", lines, kWhyDropIn);
}

void drop_in_mkinitfs(PlanDraft& draft) {
  draft.edit(
      "/etc/mkinitfs/mkinitfs.conf",
      [](std::string_view text) { return add_words(text, "features", {"virtio"}); }, kWhyDropIn);
}

/// What the guest's own tool takes into the next image. Red Hat's mkinitrd reads modprobe.conf
/// (plan_modules).
void plan_drop_in(PlanDraft& draft, const KernelFacts& kernel) {
  const std::string tool = initrd_tool(draft.guest(), kernel);
  const Names modules = modules_of(kernel);
  if (modules.empty() || tool == "mkinitrd") return;
  if (tool == "initramfs-tools") return drop_in_initramfs_tools(draft, modules);
  if (tool == "mkinitcpio") return drop_in_mkinitcpio(draft, modules);
  if (tool == "mkinitfs") return drop_in_mkinitfs(draft);
  if (tool == "mkinitrd-suse") return drop_in_suse(draft, modules);
  if (tool == "dracut") {
    return draft.create("/etc/dracut.conf.d/50-v2vfs.conf",
                        kDropInHead + ("add_drivers+=\" " + joined(modules) + " \"\n"), kWhyDropIn);
  }
  draft.note(
      "what the guest makes its initrds with is not known: see to it that virtio is in the "
      "next one");
}

std::string why_unsupported(const PlanDraft& draft) {
  const std::string& kind = draft.guest().bootloader.kind;
  if (kind == "lilo" || kind == "elilo") {
    return "LILO starts kernel and initrd by a map of their own, which is not changed";
  }
  if (kind == "uki") return "it boots a unified kernel image, which is one signed file";
  if (draft.guest().os.id == "nixos") return "NixOS makes its configuration anew at each boot";
  for (const inspect::BootEntry& entry : draft.guest().bootloader.entries) {
    if (entry.options.find("ostree=") != std::string::npos) {
      return "its root is an OSTree deployment, which is not changed from outside";
    }
  }
  return "";
}

void stay(PlanDraft& draft, std::string reason) {
  draft.plan().state = PlanState::unsupported;
  draft.plan().reason = std::move(reason);
  draft.plan().capabilities = {};
}

}  // namespace

void plan_drivers(PlanDraft& draft) {
  if (const std::string why = why_unsupported(draft); !why.empty()) return stay(draft, why);
  const KernelFacts* const kernel = default_kernel(draft.guest());
  if (!kernel) return stay(draft, "no kernel was found that starts outside Xen");
  take_capabilities(draft, *kernel);
  const BlockBus bus = choose_bus(draft, *kernel);
  if (bus == BlockBus::source) return stay(draft, draft.plan().reason);
  draft.plan().capabilities.block_bus = bus;
  for (const KernelFacts* const each : bootable_kernels(draft.guest())) {
    plan_initrd(draft, *each, bus);
  }
  if (bus != BlockBus::sata && !draft.plan().initrds.empty()) plan_drop_in(draft, *kernel);
}

}  // namespace v2vfs::convert
