// SPDX-License-Identifier: MIT
//
// UEFI starts what its variables name, and they stay behind; what is left is the loader that every
// firmware looks for by itself, EFI/BOOT/BOOTX64.EFI (UEFI 2.10, 3.5.1.1).
#include <algorithm>
#include <array>

#include "convert/guest/plan_draft.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::FoundPath;
using inspect::Severity;

struct Architecture {
  std::string_view guest;
  std::string_view suffix;  // of loaders' names, lower case
};
constexpr std::array<Architecture, 4> kArchitectures{
    {{"x86_64", "x64"}, {"i386", "ia32"}, {"aarch64", "aa64"}, {"riscv64", "riscv64"}}};

std::string suffix_of(const std::string& arch) {
  for (const Architecture& each : kArchitectures) {
    if (each.guest == arch) return std::string(each.suffix);
  }
  return "";
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }
std::string_view folder_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

class FallbackLoader {
 public:
  explicit FallbackLoader(PlanDraft& draft)
      : draft_(draft), suffix_(suffix_of(draft.guest().arch)) {}

  void plan() {
    if (suffix_.empty() || has_fallback()) return;
    const FoundPath* const loader = best_loader();
    if (!loader) {
      return draft_.say("no-loader", Severity::error,
                        "no boot loader was found on the EFI system partition",
                        "boot it by hand in the firmware's menu and repair its boot loader");
    }
    copy_set(*loader);
  }

 private:
  bool is_named(const FoundPath& found, std::string_view folder, std::string_view name) const {
    return equals_ignoring_case(name_of(folder_of(found.path)), folder) &&
           equals_ignoring_case(name_of(found.path), name);
  }

  bool has_fallback() const {
    return std::any_of(
        draft_.guest().found.begin(), draft_.guest().found.end(),
        [&](const FoundPath& found) { return is_named(found, "boot", "boot" + suffix_ + ".efi"); });
  }

  /// shim comes before what it starts; of several vendors' the first by name, but not Windows'.
  const FoundPath* best_loader() const {
    for (const std::string start : {"shim", "grub", "systemd-boot"}) {
      for (const FoundPath& found : draft_.guest().found) {
        const bool named = equals_ignoring_case(name_of(found.path), start + suffix_ + ".efi");
        const bool vendor = !equals_ignoring_case(name_of(folder_of(found.path)), "microsoft");
        if (named && vendor) return &found;
      }
    }
    return nullptr;
  }

  std::string boot_folder(std::string_view efi) const {
    for (const FoundPath& found : draft_.guest().found) {
      const bool same = folder_of(found.path) == efi && found.kind == inspect::FileKind::directory;
      if (same && equals_ignoring_case(name_of(found.path), "boot")) return found.path;
    }
    return std::string(efi) + "/BOOT";
  }

  /// shim starts the GRUB that lies beside it, and its key manager.
  void copy_set(const FoundPath& loader) {
    const std::string vendor(folder_of(loader.path));
    const std::string target = boot_folder(folder_of(vendor));
    const std::string why =
        "the source's UEFI variables stay behind, and this is what a firmware starts without them";
    draft_.copy(target + "/BOOT" + upper(suffix_) + ".EFI", loader.path, why);
    if (!to_lower(name_of(loader.path)).starts_with("shim")) return;
    for (const std::string start : {"grub", "mm"}) {
      for (const FoundPath& found : draft_.guest().found) {
        const std::string name = start + suffix_ + ".efi";
        const bool beside =
            folder_of(found.path) == vendor && equals_ignoring_case(name_of(found.path), name);
        if (beside) draft_.copy(target + "/" + name, found.path, why);
      }
    }
  }

  PlanDraft& draft_;
  const std::string suffix_;
};

}  // namespace

void plan_firmware(PlanDraft& draft) {
  if (draft.plan().capabilities.uefi) FallbackLoader(draft).plan();
}

}  // namespace v2vfs::convert
