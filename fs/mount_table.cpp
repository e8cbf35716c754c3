// SPDX-License-Identifier: MIT
#include "fs/mount_table.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

extern char** environ;

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

bool run_fusermount(const std::string& path) {
  std::vector<std::string> words = {"fusermount3", "-u", "-z", "--", path};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return false;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool is_our_mount(const std::string& path) { return find_mount(path).has_value(); }

bool is_automount(const std::string& path) {
  const std::optional<SeenMount> seen = mount_seen_at(path);
  return seen && seen->type == "autofs";
}

std::string mount_device(const std::string& path) { return find_mount(path).value_or(""); }

bool unmount_lazily(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return true;
  return errno == EPERM && run_fusermount(path);
}

bool unmount_by_force(const std::string& path) {
  if (::umount2(path.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return true;
  return errno == EPERM && run_fusermount(path);
}

void abort_connection(const std::string& device) {
  const std::size_t colon = device.find(':');
  if (colon == std::string::npos) return;
  std::ofstream("/sys/fs/fuse/connections/" + device.substr(colon + 1) + "/abort") << "1";
}

}  // namespace v2vfs::fs
