// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/mounts.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {
namespace {

/// mountinfo writes blanks, tabs, newlines and backslashes as \ooo (proc(5)).
std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out +=
          static_cast<char>(std::strtol(std::string(field.substr(i + 1, 3)).c_str(), nullptr, 8));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

/// Appliances have a mount of the daemon's own in the state folder (SEMANTICS.md).
bool is_workshop(const std::string& point) { return point.find("/workshop-") != std::string::npos; }

std::string resolved(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) ? buffer : "";
}

bool is_inside(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

/// nullptr: the path is in none.
const MountEntry* mount_of(const std::string& path, const std::vector<MountEntry>& mounts) {
  const MountEntry* best = nullptr;
  for (const MountEntry& mount : mounts) {
    if (is_inside(path, mount.point) && (!best || mount.point.size() > best->point.size())) {
      best = &mount;
    }
  }
  return best;
}

Place place_of(const std::string& path, const MountEntry& mount) {
  if (path.size() <= mount.point.size()) return {mount.point, ""};
  const std::string below = path.substr(mount.point.size() + 1);
  const std::string vm = below.substr(0, below.find('/'));
  struct stat status {};
  const std::string folder = mount.point + "/" + vm;
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return {mount.point, ""};
  return {mount.point, vm};
}

std::vector<Place> places_named(const std::string& name, const std::vector<MountEntry>& mounts) {
  std::vector<Place> found;
  for (const MountEntry& mount : mounts) {
    try {
      for (Place& vm : list_vms({mount.point, ""})) {
        if (vm.vm == name) found.push_back(std::move(vm));
      }
    } catch (const Error&) {
      continue;  // a mount whose daemon is gone has no VMs; the others do
    }
  }
  return found;
}

std::string listing(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) text += (text.empty() ? "" : ", ") + place.folder();
  return clean_text(text, 1000);
}

}  // namespace

std::vector<MountEntry> parse_mounts(std::string_view mountinfo) {
  std::vector<MountEntry> mounts;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point, word, type, source;
    fields >> id >> parent >> device >> root >> point;
    while (fields >> word && word != "-") {
    }
    fields >> type >> source;
    point = unescape(point);
    std::erase_if(mounts, [&](const MountEntry& below) { return below.point == point; });
    if (type == "fuse.v2vfs") mounts.push_back({point, unescape(source)});
  }
  return mounts;
}

std::vector<MountEntry> list_mounts() {
  std::ifstream table("/proc/self/mountinfo");
  std::ostringstream text;
  text << table.rdbuf();
  std::vector<MountEntry> mounts = parse_mounts(text.str());
  std::erase_if(mounts, [](const MountEntry& mount) { return is_workshop(mount.point); });
  return mounts;
}

Place find_place(const std::string& word) {
  const std::vector<MountEntry> mounts = list_mounts();
  // A dead mount answers to nothing, but its name is in the table.
  for (const MountEntry& mount : mounts) {
    if (mount.point == word) return {mount.point, ""};
  }
  const std::string path = resolved(word);
  if (const MountEntry* const mount = mount_of(path, mounts); !path.empty() && mount) {
    return place_of(path, *mount);
  }
  const std::vector<Place> named = places_named(word, mounts);
  if (named.size() == 1) return named[0];
  if (!named.empty()) {
    throw Error(EINVAL, "several mounts have a VM \"{}\": {}. Give the path of its folder",
                clean_text(word), listing(named));
  }
  throw Error(ENOENT,
              "{} is neither a mount of v2vfs nor a VM in one; `v2vfsctl status` lists both",
              clean_text(word, PATH_MAX));
}

Place find_vm(const std::string& word) {
  const Place place = find_place(word);
  if (!place.vm.empty()) return place;
  const std::vector<Place> all = list_vms(place);
  if (all.size() == 1) return all[0];
  throw Error(EINVAL, "{} has several VMs: name one of {}", place.mountpoint, listing(all));
}

std::vector<Place> list_vms(const Place& place) {
  std::vector<Place> places;
  for (const VmStatus& vm : read_mount_status(place.mountpoint).vms) {
    if (place.vm.empty() || vm.name == place.vm) places.push_back({place.mountpoint, vm.name});
  }
  return places;
}

}  // namespace v2vfs::ctl
