// SPDX-License-Identifier: MIT
#include "convert/guest/rebuild_command.h"

#include <algorithm>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_draft.h"

namespace v2vfs::convert {
namespace {

using inspect::GuestFacts;
using inspect::KernelFacts;
using Words = std::vector<std::string>;

/// The appliance is this machine's.
bool runs_here(const std::string& arch) {
#if defined(__x86_64__)
  return arch == "x86_64" || arch == "i386";
#elif defined(__aarch64__)
  return arch == "aarch64";
#else
  return false;
#endif
}

bool is_installed(const GuestFacts& guest, const std::string& tool) {
  return std::any_of(guest.applications.begin(), guest.applications.end(),
                     [&](const inspect::Application& each) { return each.name == tool; });
}

bool shares_its_image(const GuestFacts& guest, const KernelFacts& kernel) {
  return std::any_of(guest.kernels.begin(), guest.kernels.end(), [&](const KernelFacts& each) {
    return each.version != kernel.version && each.initrd &&
           each.initrd->real_path == kernel.initrd->real_path;
  });
}

bool opened_luks(const inspect::GuestInspection& inspection) {
  return std::any_of(inspection.disks.luks.begin(), inspection.disks.luks.end(),
                     [](const inspect::LuksFacts& luks) { return !luks.mapping.empty(); });
}

std::string why_not(const inspect::GuestInspection& inspection, const GuestFacts& guest,
                    const KernelFacts& kernel, const std::string& tool) {
  if (kernel.version.empty() || kernel.version.starts_with('-')) return "its version is odd";
  if (shares_its_image(guest, kernel)) return "another kernel starts with it too";
  if (tool.empty() || !is_installed(guest, tool)) return "what would make it is not in the guest";
  if (!runs_here(guest.arch)) return "programs of the guest do not run on this machine";
  if (opened_luks(inspection)) return "its tool would not know the opened LUKS container";
  return "";
}

/// What it would detect are the appliance's disks: all drivers are wanted.
Words words_for(const GuestFacts& guest, const KernelFacts& kernel, const std::string& tool) {
  const std::string& image = kernel.initrd->real_path;
  if (tool == "initramfs-tools" && image == "/boot/initrd.img-" + kernel.version) {
    return {"update-initramfs", "-u", "-k", kernel.version};
  }
  if (tool == "dracut") {
    const bool el6 = family_of(guest.os) == Family::rhel && guest.os.major.value_or(0) <= 6;
    if (el6) return {"dracut", "--force", image, kernel.version};  // always takes all
    return {"dracut", "--force", "--no-hostonly", image, kernel.version};
  }
  if (tool == "mkinitcpio") {
    return {"mkinitcpio", "-S", "autodetect", "-k", kernel.version, "-g", image};
  }
  if (tool == "mkinitfs") return {"mkinitfs", "-o", image, kernel.version};
  return {};
}

}  // namespace

RebuildCommand rebuild_command(const inspect::GuestInspection& inspection, const GuestFacts& guest,
                               const KernelFacts& kernel) {
  if (!kernel.initrd || kernel.initrd->real_path.empty()) return {{}, "it is not there"};
  const std::string tool = initrd_tool(guest, kernel);
  if (std::string why = why_not(inspection, guest, kernel, tool); !why.empty()) return {{}, why};
  Words words = words_for(guest, kernel, tool);
  if (words.empty()) return {{}, "its tool cannot be told to make it"};
  return {std::move(words), ""};
}

}  // namespace v2vfs::convert
