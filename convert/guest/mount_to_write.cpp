// SPDX-License-Identifier: MIT
#include "convert/guest/mount_to_write.h"

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

bool lies_below(const std::string& path, const std::string& mountpoint) {
  return mountpoint == "/" || (path.starts_with(mountpoint) && path.size() > mountpoint.size() &&
                               path[mountpoint.size()] == '/');
}

void expect_mounted(const inspect::GuestFacts& facts, const std::string& path) {
  for (const inspect::MountpointFacts& point : facts.mountpoints) {
    if (point.mounted || !lies_below(path, point.path)) continue;
    throw Error(EIO, "{} lies on {}, which cannot be mounted", clean_text(path),
                clean_text(point.spec));
  }
}

/// The mount that a path lies on: the plan has the shortest first.
std::size_t mount_of(const std::vector<inspect::GuestMount>& plan, const std::string& path) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (lies_below(path, plan[i].mountpoint)) found = i;
  }
  return found;
}

}  // namespace

void mount_to_write(inspect::Guest& guest, const inspect::GuestFacts& facts,
                    const std::vector<std::string>& paths) {
  std::vector<inspect::GuestMount> plan = facts.mount_plan;
  if (plan.empty()) plan.push_back({facts.root, "/", facts.subvolume, false});
  for (const std::string& path : paths) {
    expect_mounted(facts, path);
    plan[mount_of(plan, path)].writable = true;
  }
  for (const inspect::GuestMount& mount : plan) guest.mount(mount);
}

}  // namespace v2vfs::convert
