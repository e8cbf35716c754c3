// SPDX-License-Identifier: MIT
#include "fs/mount_table.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>

#include "inspect/base/unmount.h"

namespace v2vfs::fs {
namespace {

/// mountinfo writes blanks, tabs, newlines and backslashes as \ooo (proc(5)).
std::string unescape(const std::string& field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out += static_cast<char>(std::stoi(field.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

struct SeenMount {
  std::string device;  // major:minor
  std::string type;
};

/// The mount that is seen at `path`, the last one of that mount point.
std::optional<SeenMount> mount_seen_at(const std::string& path) {
  std::ifstream table("/proc/self/mountinfo");
  std::optional<SeenMount> seen;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string id, parent, major_minor, root, point, word, type;
    fields >> id >> parent >> major_minor >> root >> point;
    while (fields >> word && word != "-") {
    }
    fields >> type;
    if (unescape(point) == path) seen = SeenMount{major_minor, type};
  }
  return seen;
}

/// The device of the mount that is seen there if it is one of ours: another that lies over ours
/// must not be taken for it.
std::optional<std::string> find_mount(const std::string& path) {
  const std::optional<SeenMount> seen = mount_seen_at(path);
  return seen && seen->type == "fuse.v2vfs" ? std::optional(seen->device) : std::nullopt;
}

}  // namespace

bool is_our_mount(const std::string& path) { return find_mount(path).has_value(); }

bool is_automount(const std::string& path) {
  const std::optional<SeenMount> seen = mount_seen_at(path);
  return seen && seen->type == "autofs";
}

std::string mount_device(const std::string& path) { return find_mount(path).value_or(""); }

bool unmount_lazily(const std::string& path) { return unmount(path, MNT_DETACH); }

bool unmount_by_force(const std::string& path) { return unmount(path, MNT_FORCE | MNT_DETACH); }

void abort_connection(const std::string& device) {
  const std::size_t colon = device.find(':');
  if (colon == std::string::npos) return;
  std::ofstream("/sys/fs/fuse/connections/" + device.substr(colon + 1) + "/abort") << "1";
}

}  // namespace v2vfs::fs
