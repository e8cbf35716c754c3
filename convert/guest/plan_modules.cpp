// SPDX-License-Identifier: MIT
//
// Aliases by which old guests load drivers, and by which Red Hat's mkinitrd chooses them.
#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_draft.h"
#include "convert/guest/system_edits.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

constexpr const char* kWhy = "its drivers are for hardware that is not there any more";

std::string nic_driver(GuestNic nic) {
  switch (nic) {
    case GuestNic::virtio:
      return "virtio_net";
    case GuestNic::e1000e:
      return "e1000e";
    case GuestNic::e1000:
      return "e1000";
    case GuestNic::source:
      break;
  }
  return "";
}

std::vector<std::string> disk_drivers(BlockBus bus) {
  if (bus == BlockBus::virtio_blk) return {"virtio_blk", "virtio_pci"};
  if (bus == BlockBus::virtio_scsi) return {"virtio_scsi", "virtio_pci"};
  return bus == BlockBus::sata ? std::vector<std::string>{"ahci"} : std::vector<std::string>{};
}

/// Of later releases nobody reads aliases of cards and disks.
bool reads_aliases(const PlanDraft& draft) {
  const bool old_rhel = draft.family() == Family::rhel && !draft.is_at_least(6);
  const bool old_suse = draft.family() == Family::suse && !draft.is_at_least(11);
  return draft.guest().init != "systemd" && (old_rhel || old_suse);
}

constexpr const char* kOneFile[] = {"/etc/modprobe.conf", "/etc/modprobe.conf.local",
                                    "/etc/modules.conf", "/etc/conf.modules"};

std::vector<std::string> alias_files(const PlanDraft& draft) {
  std::vector<std::string> paths = draft.files("/etc/modprobe.d/", "");
  for (const char* const path : kOneFile) {
    if (draft.text(path)) paths.emplace_back(path);
  }
  return paths;
}

/// mkinitrd takes the disks' drivers from it.
void add_disk_alias(PlanDraft& draft, const std::string& driver) {
  for (const char* const path : kOneFile) {
    if (!draft.text(path)) continue;
    draft.edit(
        path,
        [&](std::string_view old) {
          const bool ended = old.empty() || old.ends_with('\n');
          return std::string(old) + (ended ? "" : "\n") + "alias scsi_hostadapter " + driver + "\n";
        },
        "mkinitrd takes the disks' drivers from it");
    return;
  }
}

}  // namespace

void plan_modules(PlanDraft& draft) {
  if (!reads_aliases(draft)) return;
  const Capabilities& can = draft.plan().capabilities;
  const std::string nic = nic_driver(can.nic);
  const std::vector<std::string> disks = disk_drivers(can.block_bus);
  bool aliased = false;
  for (const std::string& path : alias_files(draft)) {
    aliased = aliased || has_disk_alias(*draft.text(path));
    draft.edit(
        path, [&](std::string_view old) { return edit_modprobe_aliases(old, nic, disks); }, kWhy);
  }
  if (!aliased && !disks.empty()) add_disk_alias(draft, disks.front());
}

}  // namespace v2vfs::convert
