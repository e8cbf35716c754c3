// SPDX-License-Identifier: MIT
#include "convert/guest/rebuild_initrds.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/plan_draft.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::Guest;
using inspect::GuestFacts;
using inspect::KernelFacts;
using Words = std::vector<std::string>;

/// Of what a tool printed: the reason comes last.
constexpr std::size_t kLongestSaid = 512;

std::string end_of(const std::string& said) {
  const std::size_t from = said.size() > kLongestSaid ? said.size() - kLongestSaid : 0;
  return clean_text(said.substr(from), kLongestSaid);
}

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
    if (el6)
      return {"dracut", "--force", image,
              kernel.version};  // it takes all, and has no word for that
    return {"dracut", "--force", "--no-hostonly", image, kernel.version};
  }
  if (tool == "mkinitcpio") {
    return {"mkinitcpio", "-S", "autodetect", "-k", kernel.version, "-g", image};
  }
  if (tool == "mkinitfs") return {"mkinitfs", "-o", image, kernel.version};
  return {};
}

std::optional<std::string> label_of(Guest& guest, const std::string& path) {
  for (const inspect::Xattr& each : guest.xattrs(path)) {
    if (each.name == "security.selinux") return each.value;
  }
  return std::nullopt;
}

/// One image; "done" or what happened instead.
std::string rebuild(Guest& guest, const InitrdNeed& need) {
  const inspect::FileStat before = guest.stat(need.path);
  const auto label = label_of(guest, need.path);
  guest.run_program(need.rebuild);
  const inspect::FileStat after = guest.stat(need.path);
  if (label) guest.set_xattr(need.path, {"security.selinux", *label});
  const bool written = before.inode != after.inode || before.bytes != after.bytes ||
                       before.modified_ns != after.modified_ns;
  return written ? "done" : "its own tool left it as it was; what it lacked was added";
}

bool is_default(const GuestFacts& facts, const InitrdNeed& need) {
  const KernelFacts* const kernel = default_kernel(facts);
  return kernel && kernel->version == need.kernel;
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

Rebuilt rebuild_initrds(Guest& guest, const GuestFacts& facts, const ConversionPlan& plan) {
  Rebuilt rebuilt;
  for (const InitrdNeed& need : plan.initrds) {
    if (need.rebuild.empty()) continue;
    try {
      rebuilt.outcomes[need.path] = rebuild(guest, need);
    } catch (const Error& e) {
      guest.stat("/");  // throws where the appliance is gone
      const std::string why =
          clean_text(need.path) + " could not be made anew: " + end_of(e.sentence());
      if (is_default(facts, need)) return {why, {}};
      rebuilt.outcomes[need.path] = why;
    }
  }
  return rebuilt;
}

}  // namespace v2vfs::convert
