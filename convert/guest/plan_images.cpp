// SPDX-License-Identifier: MIT
//
// Copies of configuration in initrds: they decide at boot, whatever the root's own files say.
#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_storage.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::KernelFacts;

constexpr const char* kWhy = "the initrd's own copy names disks as they were called before";

/// The files of one image.
class ImagePlan {
 public:
  ImagePlan(PlanDraft& draft, DeviceRenamer& renamer, const KernelFacts& kernel)
      : draft_(draft), renamer_(renamer), kernel_(kernel), tables_(table_renames(draft, renamer)) {}

  void plan() {
    const auto& files = kernel_.initrd->files;
    for (const auto& [name, text] : files) {
      std::string planned = planned_text(name, text);
      if (planned != text) add({name, text, std::move(planned), kWhy});
    }
    // A file cannot be taken out of an image, but LVM can be told not to look at it.
    if (files.count("etc/lvm/devices/system.devices") == 0) return;
    if (files.count("etc/lvm/lvmlocal.conf") > 0) return;
    add({"etc/lvm/lvmlocal.conf", std::nullopt, "devices {\n\tuse_devicesfile = 0\n}\n",
         "the image's list of LVM's disks is by names that they had before"});
  }

 private:
  std::string planned_text(const std::string& name, const std::string& text) {
    const Rename rename = [this](std::string_view device) { return rename_for_boot(device); };
    if (name.starts_with("conf/conf.d/cryptroot")) return edit_cryptroot(text, rename);
    if (name.starts_with("conf/")) return edit_assignments(text, {"RESUME", "ROOT"}, rename);
    if (name == "cryptroot/crypttab" || name == "etc/crypttab") return edit_crypttab(text, tables_);
    if (name == "etc/fstab") return edit_fstab(text, tables_);
    if (name == "etc/cmdline" || name.starts_with("etc/cmdline.d/")) {
      return edit_cmdline(text, cmdline_words(draft_, renamer_));
    }
    if (name == "etc/lvm/lvm.conf") return edit_lvm_filters(text, disk_prefix(draft_));
    if (name.starts_with("etc/mdadm")) return edit_mdadm(text, kernel_renaming(renamer_));
    if (name.find("devexists") != std::string::npos) {  // dracut waits for what it was built with
      return edit_script_devices(text, tables_.link);
    }
    return text;
  }

  std::optional<std::string> rename_for_boot(std::string_view device) {
    return rename_for_kernel(draft_, renamer_, device, inspect::base_name(kernel_.path));
  }

  void add(ImageFile file) {
    InitrdNeed* const need = draft_.need_of(kernel_);
    if (!need) return;
    for (const ImageFile& known : need->files) {
      if (known.name == file.name) return;
    }
    if (need->why.empty()) need->why = file.why;
    need->files.push_back(std::move(file));
  }

  PlanDraft& draft_;
  DeviceRenamer& renamer_;
  const KernelFacts& kernel_;
  const Renames tables_;
};

}  // namespace

void plan_images(PlanDraft& draft, DeviceRenamer& renamer) {
  for (const KernelFacts* const kernel : bootable_kernels(draft.guest())) {
    if (kernel->initrd) ImagePlan(draft, renamer, *kernel).plan();
  }
}

}  // namespace v2vfs::convert
