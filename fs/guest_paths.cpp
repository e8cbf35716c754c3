// SPDX-License-Identifier: MIT
#include "fs/guest_paths.h"

#include <algorithm>
#include <array>
#include <vector>

#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestPath = 4095;

// Where configuration is kept. What programs, libraries and packages made of themselves is not
// changed from outside.
constexpr std::string_view kWritable[] = {
    "/etc", "/root", "/home", "/boot", "/usr/local", "/var/spool/cron", "/var/lib/cloud",
};
// Below /usr/lib, and below /lib where that is a folder of its own.
constexpr std::string_view kWritableBelowLib[] = {
    "systemd", "udev",   "modprobe.d",    "modules-load.d", "sysctl.d",   "tmpfiles.d",
    "dracut",  "kernel", "environment.d", "NetworkManager", "sysusers.d",
};
// In /boot only text is edited: these are not.
constexpr std::string_view kBootPrefixes[] = {
    "vmlinu",  "initrd", "initramfs", "System.map", "bzImage",
    "kernel-", "xen",    "symvers",   "memtest",
};
constexpr std::string_view kBootSuffixes[] = {
    ".img", ".efi", ".mod", ".lst.gz", ".gz", ".xz", ".pf2", ".c32", ".bin", ".sys", ".elf", ".cab",
};

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool is_writable_place(std::string_view path) {
  for (const std::string_view folder : kWritable) {
    if (is_below(path, folder)) return true;
  }
  for (const std::string_view lib : {"/usr/lib", "/lib"}) {
    if (!is_below(path, lib)) continue;
    for (const std::string_view folder : kWritableBelowLib) {
      if (is_below(path.substr(lib.size() + 1), folder)) return true;
    }
  }
  return false;
}

bool starts_the_guest(const std::string& path) {
  const std::string name = to_lower(file_name(path));
  const auto begins = [&](std::string_view p) { return name.starts_with(to_lower(p)); };
  const auto ends = [&](std::string_view s) { return name.ends_with(s); };
  return std::any_of(std::begin(kBootPrefixes), std::end(kBootPrefixes), begins) ||
         std::any_of(std::begin(kBootSuffixes), std::end(kBootSuffixes), ends);
}

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

bool has_control_character(std::string_view name) {
  return std::any_of(name.begin(), name.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= kLongestName &&
         name.find('/') == name.npos && name.find('\0') == name.npos;
}

std::optional<std::string> why_not_writable(const std::string& path) {
  if (path.size() > kLongestPath) return "its path is too long";
  if (has_control_character(file_name(path))) return "a new name has no control characters";
  if (!is_writable_place(path)) {
    return "only configuration is edited here: what is below /etc, /root, /home, /boot, "
           "/usr/local, "
           "/usr/lib/systemd and the other folders that SEMANTICS.md lists";
  }
  if (is_below(path, "/boot") && starts_the_guest(path)) {
    return "kernels, initrds and boot loaders are no text; of /boot only text is edited";
  }
  return std::nullopt;
}

/// The depth of the link's folder is how many ".." there may be: the walk there took no link, and
/// each link on the way on obeys the same rule.
std::optional<std::string> shown_target(const std::string& link, const std::string& target) {
  if (target.empty() || target.find('\0') != target.npos) return std::nullopt;
  const std::size_t depth = parts_of(parent_path(link)).size();
  std::size_t up = target.front() == '/' ? depth : 0;
  std::vector<std::string_view> down;
  for (const std::string_view part : parts_of(target)) {
    if (part == ".") continue;
    if (part != "..") {
      down.push_back(part);
    } else if (!down.empty()) {
      down.pop_back();
    } else {
      up = std::min(up + 1, depth);
    }
  }
  std::string shown;
  for (std::size_t i = 0; i < up; ++i) shown += "../";
  for (const std::string_view part : down) shown.append(part) += '/';
  if (shown.empty()) shown = "./";
  if (target.back() != '/') shown.pop_back();
  if (shown.size() > kLongestPath) return std::nullopt;
  return shown;
}

std::string parent_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string join_path(const std::string& folder, std::string_view name) {
  std::string path = folder == "/" ? folder : folder + "/";
  return path.append(name);
}

}  // namespace v2vfs::fs
