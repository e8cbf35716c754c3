// SPDX-License-Identifier: MIT
#include "convert/guest/rebuild_initrds.h"

#include <optional>

#include "convert/guest/boot_kernels.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::Guest;
using inspect::GuestFacts;
using inspect::KernelFacts;

std::optional<std::string> label_of(Guest& guest, const std::string& path) {
  for (const inspect::Xattr& each : guest.xattrs(path)) {
    if (each.name == "security.selinux") return each.value;
  }
  return std::nullopt;
}

/// One image; empty, or what happened instead.
std::string rebuild(Guest& guest, const InitrdNeed& need) {
  const inspect::FileStat before = guest.stat(need.path);
  const auto label = label_of(guest, need.path);
  guest.run_program(need.rebuild);
  const inspect::FileStat after = guest.stat(need.path);
  if (label) guest.set_xattr(need.path, {"security.selinux", *label});
  const bool written = before.inode != after.inode || before.bytes != after.bytes ||
                       before.modified_ns != after.modified_ns;
  return written ? "" : "its own tool left it as it was";
}

bool is_default(const GuestFacts& facts, const InitrdNeed& need) {
  const KernelFacts* const kernel = default_kernel(facts);
  return kernel && kernel->version == need.kernel;
}

}  // namespace

Rebuilt rebuild_initrds(Guest& guest, const GuestFacts& facts, const ConversionPlan& plan) {
  Rebuilt rebuilt;
  for (const InitrdNeed& need : plan.initrds) {
    if (need.rebuild.empty()) continue;
    try {
      rebuilt.remarks[need.path] = rebuild(guest, need);
    } catch (const Error& e) {
      guest.stat("/");  // throws where the appliance is gone
      const std::string why =
          clean_text(need.path) + " could not be made anew: " + clean_text(e.sentence(), 512);
      if (is_default(facts, need)) return {why, {}};
      rebuilt.remarks[need.path] = why;
    }
  }
  return rebuilt;
}

}  // namespace v2vfs::convert
