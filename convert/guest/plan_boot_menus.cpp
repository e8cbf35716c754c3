// SPDX-License-Identifier: MIT
//
// Files of boot loaders: changed where they lie, never made anew.
#include <fmt/core.h>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_storage.h"
#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::Severity;
using TextEditor = std::string (*)(std::string_view text, const WordEdit& edit);

constexpr const char* kWhy = "the kernel is told its disks and console by names that change";
constexpr const char* kWhyLater = "what is made from it later has to name the same disks";

class BootMenus {
 public:
  BootMenus(PlanDraft& draft, DeviceRenamer& renamer)
      : draft_(draft), renamer_(renamer), words_(cmdline_words(draft, renamer)) {}

  void plan() {
    grub2();
    for (const char* const path :
         {"/boot/grub/menu.lst", "/boot/grub/grub.conf", "/boot/efi/EFI/redhat/grub.conf"}) {
      edit(path, edit_grub_legacy);
    }
    for (const char* const folder :
         {"/boot/loader/entries/", "/boot/efi/loader/entries/", "/efi/loader/entries/"}) {
      for (const std::string& path : draft_.files(folder, ".conf")) edit(path, edit_loader_entry);
    }
    syslinux();
    edit("/etc/kernel/cmdline", edit_cmdline);
    assignments();
    device_maps();
    default_entry();
  }

 private:
  void edit(const std::string& path, TextEditor editor, const char* why = kWhy) {
    draft_.edit(
        path, [&](std::string_view text) { return editor(text, words_); }, why);
  }

  void grub2() {
    // A stub on the ESP only names another file: it has no kernels and stays.
    for (const std::string& path : draft_.files("/boot/", "/grub.cfg")) edit(path, edit_grub2);
    for (const std::string& path : draft_.files("/efi/", "/grub.cfg")) edit(path, edit_grub2);
    for (const std::string& path : draft_.files("/boot/", "/grubenv")) environment(path);
  }

  /// The block has a size that GRUB depends on.
  void environment(const std::string& path) {
    const std::string* const text = draft_.text(path);
    const auto changed = edit_grubenv(*text, words_);
    if (changed) {
      draft_.edit(
          path, [&](std::string_view) { return *changed; }, kWhy);
      return;
    }
    draft_.say("grubenv-full", Severity::error,
               clean_text(path) + " has no room for the longer name of the root",
               "shorten kernelopts in the guest (grub2-editenv)");
  }

  void syslinux() {
    for (const std::string& path : draft_.files("/boot/", ".conf")) {
      if (path.find("linux") != std::string::npos && path.find("/loader/") == std::string::npos) {
        edit(path, edit_syslinux);
      }
    }
    edit("/extlinux.conf", edit_syslinux);
    for (const std::string& path : draft_.files("/boot/", "linux.cfg")) edit(path, edit_syslinux);
  }

  void edit_values(const std::string& path, std::string_view start) {
    const auto is_meant = [start](std::string_view name) { return name.starts_with(start); };
    draft_.edit(
        path,
        [&](std::string_view text) { return edit_cmdline_assignments(text, is_meant, words_); },
        kWhyLater);
  }

  void assignments() {
    edit_values("/etc/default/grub", "GRUB_CMDLINE_LINUX");
    for (const std::string& path : draft_.files("/etc/default/grub.d/", ".cfg")) {
      edit_values(path, "GRUB_CMDLINE_LINUX");
    }
    edit_values("/etc/default/extlinux", "EXTLINUX_");
    edit_values("/etc/update-extlinux.conf", "root");
    edit_values("/etc/update-extlinux.conf", "default_kernel_opts");
    edit_values("/etc/default/u-boot", "U_BOOT_");
    for (const std::string& path : draft_.files("/etc/dracut.conf", ".conf")) {
      edit_values(path, "kernel_cmdline");
    }
  }

  /// What grub-install goes by: whole disks have no UUID.
  void device_maps() {
    const Rename rename = [&](std::string_view name) -> std::optional<std::string> {
      if (!name.starts_with("/dev/")) return std::nullopt;
      const auto made = renamer_.kernel_name(name.substr(5));
      return made ? std::optional("/dev/" + *made) : std::nullopt;
    };
    const char* const why = "GRUB's installer goes by it";
    for (const char* const path : {"/boot/grub/device.map", "/boot/grub2/device.map"}) {
      draft_.edit(
          path, [&](std::string_view text) { return edit_device_map(text, rename); }, why);
    }
    draft_.edit(
        "/etc/sysconfig/grub",
        [&](std::string_view text) { return edit_assignments(text, {"boot"}, rename); }, why);
  }

  /// A default that runs under Xen alone gives way to the kernel that starts everywhere.
  void default_entry() {
    const inspect::BootloaderFacts& loader = draft_.guest().bootloader;
    const inspect::KernelFacts* const wanted = default_kernel(draft_.guest());
    if (!loader.default_entry || !wanted || wanted->is_default) return;
    for (std::size_t i = 0; i < loader.entries.size(); ++i) {
      if (loader.entries[i].kernel != wanted->path) continue;
      if (loader.kind == "grub") {
        draft_.edit(
            loader.config_path, [&](std::string_view text) { return set_legacy_default(text, i); },
            "the default kernel runs under Xen only");
      } else {
        draft_.say("default-kernel", Severity::error,
                   fmt::format("the default boot entry is not kernel {}, the one that can start",
                               clean_text(wanted->version)),
                   "make it the default in the guest");
      }
      return;
    }
  }

  PlanDraft& draft_;
  DeviceRenamer& renamer_;
  const WordEdit words_;
};

}  // namespace

void plan_boot_menus(PlanDraft& draft, DeviceRenamer& renamer) { BootMenus(draft, renamer).plan(); }

}  // namespace v2vfs::convert
