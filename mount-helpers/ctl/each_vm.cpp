// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/each_vm.h"

#include <fmt/core.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/processes.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {
namespace {

/// What a VM says of its last failure, and what to do about it.
std::string own_words(const VmStatus& vm) {
  if (!vm.error) return vm.integrity == "damaged" ? vm.integrity_what : "";
  return vm.error->what + (vm.error->fix.empty() ? "" : ". What to do: " + vm.error->fix);
}

std::string busy_words(const VmStatus& vm) {
  std::vector<pid_t> pids = vm.writers();
  for (const DiskStatus& disk : vm.disks) {
    pids.insert(pids.end(), disk.readers.begin(), disk.readers.end());
  }
  std::ranges::sort(pids);
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  if (!pids.empty()) return "its disks are in use by " + processes_text(pids);
  if (!vm.stage.empty()) return "it is busy: " + vm.stage;
  return "";
}

std::string read_only_words(const Place& place, const VmStatus& vm) {
  struct statvfs mount {};
  if (::statvfs(place.mountpoint.c_str(), &mount) == 0 && (mount.f_flag & ST_RDONLY)) {
    return "this is mounted with -o ro";
  }
  const bool frozen = std::ranges::any_of(vm.disks, &DiskStatus::frozen);
  return frozen ? "its disks were frozen, for good: other images stand on them" : "";
}

std::string words_for(const Place& vm, int error_number) {
  try {
    const VmStatus status = read_vm_status(vm.mountpoint, vm.vm);
    if (error_number == EBUSY) {
      if (const std::string busy = busy_words(status); !busy.empty()) return busy;
    }
    if (error_number == EROFS) {
      if (const std::string reason = read_only_words(vm, status); !reason.empty()) return reason;
    }
    return own_words(status);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

std::vector<Place> places_of(const std::vector<std::string>& words) {
  if (words.empty()) throw Error(EINVAL, "name a VM, or a mount for all that are in it");
  std::vector<Place> places;
  for (const std::string& word : words) {
    for (Place& vm : list_vms(find_place(word))) {
      const bool is_new = std::ranges::none_of(
          places, [&](const Place& other) { return other.folder() == vm.folder(); });
      if (is_new) places.push_back(std::move(vm));
    }
  }
  return places;
}

int for_each_vm(const std::vector<Place>& vms, const std::function<void(const Place&)>& body) {
  int code = exit_ok;
  for (const Place& vm : vms) {
    try {
      body(vm);
    } catch (const Error& e) {
      std::fprintf(stderr, "v2vfsctl: %s\n", e.sentence().c_str());
      if (code == exit_ok) code = exit_code_of(e);
      if (e.error_number() == EINTR) return exit_interrupted;
    }
  }
  return code;
}

std::string read_text_of(const Place& vm, const std::string& path) {
  try {
    return read_text(path);
  } catch (const Error& e) {
    if (e.error_number() == ENOENT || e.error_number() == ENOTCONN) throw;
    throw_failure_of(vm, "cannot read " + path, e.error_number());
  }
}

void throw_failure_of(const Place& vm, const std::string& what, int error_number) {
  if (error_number == EINTR) {
    throw Error(EINTR, "{}: interrupted; what {} does goes on", what, vm.vm);
  }
  const std::string words = words_for(vm, error_number);
  if (words.empty()) throw errno_error(error_number, what);
  throw Error(error_number, "{}: {}", what, words);
}

}  // namespace v2vfs::ctl
