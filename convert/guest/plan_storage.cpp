// SPDX-License-Identifier: MIT
//
// Names of block devices in the files of the running system.
#include "convert/guest/plan_storage.h"

#include <algorithm>

#include "convert/guest/boot_kernels.h"
#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"

namespace v2vfs::convert {
namespace {

using inspect::KernelFacts;
using inspect::Severity;

constexpr const char* kWhy = "another disk controller gives other names to the disks";

Rename renaming(DeviceRenamer& renamer, NameStyle style) {
  return [&renamer, style](std::string_view name) { return renamer.rename(name, style); };
}

const KernelFacts* kernel_named(const PlanDraft& draft, std::string_view name) {
  for (const KernelFacts& each : draft.guest().kernels) {
    const std::string_view path = each.path;
    if (!name.empty() && path.substr(path.rfind('/') + 1) == name) return &each;
  }
  return default_kernel(draft.guest());
}

/// PARTUUID= of an MBR is known since 3.8.
bool kernel_knows_partuuid(const KernelFacts& kernel) {
  return inspect::compare_versions(kernel.version, "3.8") >= 0;
}

NameStyle style_for(const PlanDraft& draft, const KernelFacts& kernel) {
  if (!kernel.initrd) {
    return kernel_knows_partuuid(kernel) ? NameStyle::partuuid_tag : NameStyle::kernel;
  }
  const std::string tool = initrd_tool(draft.guest(), kernel);
  if (tool == "initramfs-tools" || tool == "dracut" || tool == "mkinitcpio" || tool == "booster") {
    return NameStyle::tag;
  }
  if (tool == "mkinitfs") return NameStyle::uuid_tag;
  if (tool == "mkinitrd") {
    return draft.is_at_least(5) ? NameStyle::uuid_tag : NameStyle::kernel;  // nash of 4: LABEL only
  }
  return tool == "mkinitrd-suse" ? NameStyle::link : NameStyle::kernel;
}

void plan_tables(PlanDraft& draft, DeviceRenamer& renamer) {
  const Renames renames = table_renames(draft, renamer);
  draft.edit(
      "/etc/fstab", [&](std::string_view text) { return edit_fstab(text, renames); }, kWhy);
  draft.edit("/etc/fstab", let_shared_folders_fail,
             "a folder of the old hypervisor is not there, and the boot would stop at it");
  draft.edit(
      "/etc/crypttab", [&](std::string_view text) { return edit_crypttab(text, renames); }, kWhy);
  for (const std::string& path : draft.files("/etc/systemd/system/", ".mount")) {
    draft.edit(
        path, [&](std::string_view text) { return edit_mount_unit(text, renames.link); }, kWhy);
  }
  for (const std::string& path : draft.files("/etc/systemd/system/", ".swap")) {
    if (draft.text(path)->find("/dev/") != std::string::npos) {
      draft.note(clean_text(path) +
                 " is left as it is: the name of a swap unit is that of its device");
    }
  }
}

void plan_resume(PlanDraft& draft, DeviceRenamer& renamer) {
  const Rename rename = [&](std::string_view name) {
    return rename_for_kernel(draft, renamer, name, "");
  };
  for (const std::string& path : draft.files("/etc/initramfs-tools/conf.d/", "")) {
    draft.edit(
        path, [&](std::string_view text) { return edit_assignments(text, {"RESUME"}, rename); },
        kWhy);
  }
}

void plan_lvm(PlanDraft& draft, const DeviceRenamer& renamer) {
  draft.edit(
      "/etc/lvm/lvm.conf",
      [&](std::string_view text) { return edit_lvm_filters(text, disk_prefix(draft)); },
      "LVM looks for its volumes on disks that its filter lets through by name");
  for (const char* const path : {"/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"}) {
    draft.edit(
        path, [&](std::string_view text) { return edit_mdadm(text, kernel_renaming(renamer)); },
        "arrays are looked for on disks by name");
  }
  if (draft.text("/etc/lvm/devices/system.devices")) {
    draft.remove("/etc/lvm/devices/system.devices",
                 "LVM's list names the disks by what the old hypervisor called them; without it "
                 "LVM looks at all");
  }
  if (draft.text("/etc/multipath.conf")) {
    draft.note("/etc/multipath.conf is left as it is: virtio disks have one path");
  }
}

void plan_caches(PlanDraft& draft) {
  for (const char* const path :
       {"/etc/blkid.tab", "/etc/blkid/blkid.tab", "/etc/lvm/cache/.cache"}) {
    const inspect::FoundPath* const found = draft.found(path);
    if (found && found->kind == inspect::FileKind::file) {
      draft.remove(path, "a cache of the old disks' names, made again when it is missing");
    }
  }
}

void say_names(PlanDraft& draft, const DeviceRenamer& renamer) {
  for (const std::string& name : renamer.unknown()) {
    draft.note(clean_text(name) + " is left as it is: no disk of this machine is meant by it");
  }
  if (renamer.bound_to_bus().empty()) return;
  std::string names;
  for (const std::string& name : renamer.bound_to_bus()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  draft.say("compat-unfit", Severity::warning,
            "what has no UUID is named as on the new bus: " + clean_text(names, 512),
            "use domain.xml: with domain-compat.xml the guest does not find it");
}

}  // namespace

Renames table_renames(const PlanDraft& draft, DeviceRenamer& renamer) {
  const KernelFacts* const kernel = default_kernel(draft.guest());
  const bool recent = !kernel || inspect::compare_versions(kernel->version, "3.2") >= 0;
  return {renaming(renamer, recent ? NameStyle::tag : NameStyle::uuid_tag),
          renaming(renamer, NameStyle::link), renaming(renamer, NameStyle::part_link)};
}

Rename kernel_renaming(const DeviceRenamer& renamer) {
  return [&renamer](std::string_view name) -> std::optional<std::string> {
    const bool full = name.starts_with("/dev/");
    const auto made = renamer.kernel_name(full ? name.substr(5) : name);
    return made ? std::optional((full ? "/dev/" : "") + *made) : std::nullopt;
  };
}

std::string_view disk_prefix(PlanDraft& draft) {
  return draft.plan().capabilities.block_bus == BlockBus::virtio_blk ? "vd" : "sd";
}

std::optional<std::string> rename_for_kernel(const PlanDraft& draft, DeviceRenamer& renamer,
                                             std::string_view name, std::string_view kernel) {
  const KernelFacts* const found = kernel_named(draft, kernel);
  return renamer.rename(name, found ? style_for(draft, *found) : NameStyle::tag);
}

WordEdit cmdline_words(const PlanDraft& draft, DeviceRenamer& renamer) {
  const WordEdit devices = device_words([&](std::string_view name, std::string_view kernel) {
    return rename_for_kernel(draft, renamer, name, kernel);
  });
  return [devices, consoles = console_words()](std::string_view word, std::string_view kernel) {
    const auto changed = devices(word, kernel);
    return changed ? changed : consoles(word, kernel);
  };
}

void plan_storage(PlanDraft& draft) {
  DeviceRenamer renamer(draft.inspection(), draft.guest(), draft.plan().capabilities.block_bus);
  plan_tables(draft, renamer);
  plan_boot_menus(draft, renamer);
  plan_resume(draft, renamer);
  plan_lvm(draft, renamer);
  plan_caches(draft);
  plan_images(draft, renamer);
  say_names(draft, renamer);
}

}  // namespace v2vfs::convert
