// SPDX-License-Identifier: MIT
#pragma once

#include "convert/guest/cmdline_edits.h"
#include "convert/guest/config_edits.h"
#include "convert/guest/device_renamer.h"
#include "convert/guest/plan_draft.h"
#include "convert/guest/volume_edits.h"

/// The parts of plan_storage(): one set of new names for all of them.
namespace v2vfs::convert {

/// As tables of the running system read names: mount(8) knows PARTUUID since 2012.
Renames table_renames(const PlanDraft& draft, DeviceRenamer& renamer);

/// What a kernel's command line may name a device by: what its initrd understands; without one
/// only the partition's own UUID. `kernel`: last part of its path; empty: the default one.
std::optional<std::string> rename_for_kernel(const PlanDraft& draft, DeviceRenamer& renamer,
                                             std::string_view name, std::string_view kernel);

/// "sda1" or "/dev/sda1" -> the same disk's name on the new bus, in the same form.
Rename kernel_renaming(const DeviceRenamer& renamer);
/// How the kernel's names of disks begin on the new bus: "vd", "sd".
std::string_view disk_prefix(PlanDraft& draft);

/// What is changed in command lines: devices, Xen's consoles.
WordEdit cmdline_words(const PlanDraft& draft, DeviceRenamer& renamer);

void plan_boot_menus(PlanDraft& draft, DeviceRenamer& renamer);

/// The copies of configuration that the initrds have.
void plan_images(PlanDraft& draft, DeviceRenamer& renamer);

}  // namespace v2vfs::convert
