// SPDX-License-Identifier: MIT
#include "convert/guest/rebuild_initrds.h"

#include "convert/guest/boot_kernels.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

/// Of what a tool printed: the reason comes last.
constexpr std::size_t kLongestSaid = 512;

std::string end_of(const std::string& said) {
  const std::size_t from = said.size() > kLongestSaid ? said.size() - kLongestSaid : 0;
  return clean_text(said.substr(from), kLongestSaid);
}

}  // namespace

std::vector<std::string> rebuild_command(const inspect::GuestFacts& guest,
                                         const inspect::KernelFacts& kernel) {
  if (!kernel.initrd || kernel.version.empty() || kernel.version.starts_with('-')) return {};
  const std::string& image = kernel.initrd->real_path;
  const std::string tool = initrd_tool(guest, kernel);
  if (tool == "initramfs-tools" && image == "/boot/initrd.img-" + kernel.version) {
    return {"update-initramfs", "-u", "-k", kernel.version};
  }
  if (tool == "dracut") return {"dracut", "--force", image, kernel.version};
  // What it would detect are the appliance's disks.
  if (tool == "mkinitcpio") {
    return {"mkinitcpio", "-S", "autodetect", "-k", kernel.version, "-g", image};
  }
  if (tool == "mkinitfs") return {"mkinitfs", "-o", image, kernel.version};
  return {};
}

std::string rebuild_initrds(inspect::Guest& guest, const ConversionPlan& plan) {
  for (const InitrdNeed& need : plan.initrds) {
    if (need.rebuild.empty()) continue;
    try {
      guest.run_program(need.rebuild);
    } catch (const Error& e) {
      return clean_text(need.path) + " could not be made anew: " + end_of(e.sentence());
    }
  }
  return "";
}

}  // namespace v2vfs::convert
