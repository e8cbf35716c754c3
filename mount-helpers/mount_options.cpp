// SPDX-License-Identifier: MIT
#include "mount-helpers/mount_options.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace v2vfs::helper {
namespace {

/// What v2vfs understands, for -s; a test compares it with v2vfs itself.
constexpr std::array<std::string_view, 45> kKnown = {"state",
                                                     "ephemeral",
                                                     "unpack",
                                                     "ro",
                                                     "rw",
                                                     "guest",
                                                     "root",
                                                     "keyfile",
                                                     "guest-owner",
                                                     "convert",
                                                     "on-failure",
                                                     "keep-tools",
                                                     "firstboot",
                                                     "initramfs",
                                                     "layout",
                                                     "reserve",
                                                     "verify",
                                                     "accel",
                                                     "network",
                                                     "bridge",
                                                     "network-map",
                                                     "disk-dir",
                                                     "ovf-config",
                                                     "appliances",
                                                     "appliance-idle",
                                                     "appliance-timeout",
                                                     "stop-timeout",
                                                     "log",
                                                     "allow_other",
                                                     "noallow_other",
                                                     "default_permissions",
                                                     "nodev",
                                                     "nosuid",
                                                     "noexec",
                                                     "atime",
                                                     "noatime",
                                                     "sync",
                                                     "async",
                                                     "dirsync",
                                                     "max_read",
                                                     "max_background",
                                                     "context",
                                                     "fscontext",
                                                     "defcontext",
                                                     "rootcontext"};

/// What fstab and mount(8) say to themselves. (v2vfs takes most of them; not those that systemd and
/// libmount invent with values.)
constexpr std::array<std::string_view, 17> kOfMount = {
    "defaults", "auto",    "noauto",   "user",       "nouser",       "users",
    "owner",    "noowner", "group",    "nogroup",    "_netdev",      "nofail",
    "loud",     "silent",  "relatime", "norelatime", "nostrictatime"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// "VM/option=value" is an option for one VM.
std::string name_of(const std::string& option) {
  const std::string name = option.substr(0, option.find('='));
  return name.substr(name.rfind('/') + 1);
}

bool is_of_mount(const std::string& option) {
  const std::string name = name_of(option);
  return has(kOfMount, name) || name.starts_with("x-") || name.starts_with("X-") ||
         name == "comment" || name == "uhelper" || name == "helper";
}

/// Commas separate, "\," is one of a value, as for v2vfs. The backslashes stay.
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size()) {
      parts.back() += list[i];
      parts.back() += list[++i];
    } else if (list[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += list[i];
    }
  }
  std::erase(parts, "");
  return parts;
}

bool set_flags(MountCall& call, const std::string& letters) {
  for (const char letter : letters) {
    switch (letter) {
      case 's':
        call.sloppy = true;
        break;
      case 'f':
        call.fake = true;
        break;
      case 'v':
        call.verbose = true;
        break;
      case 'n':
        break;
      case 'h':
        call.help = true;
        break;
      default:
        return false;
    }
  }
  return true;
}

void set_places(MountCall& call, const std::vector<std::string>& places) {
  if (call.help || !call.mistake.empty()) return;
  if (places.size() != 2) {
    call.mistake = "a SOURCE and a MOUNTPOINT are needed (mount.v2vfs -h)";
    return;
  }
  call.source = places[0];
  call.mountpoint = places[1];
}

}  // namespace

MountCall parse_call(const std::vector<std::string>& arguments) {
  MountCall call;
  std::vector<std::string> places;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const bool takes_value = word == "-o" || word == "-t" || word == "-N";
    if (takes_value && i + 1 == arguments.size()) {
      call.mistake = word + " needs a value";
    } else if (word == "-o") {
      const std::vector<std::string> more = split(arguments[++i]);
      call.options.insert(call.options.end(), more.begin(), more.end());
    } else if (takes_value) {
      ++i;  // the type that mount was told, and a namespace that it has entered itself
    } else if (word == "--help") {
      call.help = true;
    } else if (word.size() > 1 && word[0] == '-') {
      if (!set_flags(call, word.substr(1))) call.mistake = word + " is not known (mount.v2vfs -h)";
    } else {
      places.push_back(word);
    }
  }
  set_places(call, places);
  return call;
}

std::string option_list(const MountCall& call) {
  std::string list;
  for (const std::string& option : call.options) {
    if (is_of_mount(option) || (call.sloppy && !has(kKnown, name_of(option)))) continue;
    list += (list.empty() ? "" : ",") + option;
  }
  return list;
}

}  // namespace v2vfs::helper
