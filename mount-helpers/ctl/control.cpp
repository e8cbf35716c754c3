// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/control.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/vm_status.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

/// 0, or the errno with which ctl answered.
int write_word(const std::string& path, const std::string& word) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return errno;
  const std::string line = word + "\n";
  return ::write(file.get(), line.data(), line.size()) < 0 ? errno : 0;
}

/// What is said of a word that ended well. What a check found stands in status.json: there may have
/// been nothing to check by.
std::string outcome_of(const Place& vm, const ControlWord& word) {
  if (word.word != std::string("verify")) return word.done;
  const VmStatus status = read_vm_status(vm.mountpoint, vm.vm);
  return (status.integrity == "good" ? word.done : "not checked") + (": " + status.integrity_what);
}

void control_vm(const ControlWord& word, const Place& vm, bool quiet) {
  int error_number = 0;
  {
    const Waiting waiting(vm, word.doing, quiet);
    error_number = write_word(vm.folder() + "/ctl", word.word);
  }
  if (error_number == EOPNOTSUPP) {
    throw Error(EOPNOTSUPP,
                "{} cannot be converted and is served as it is; `v2vfsctl diff {}` says why", vm.vm,
                vm.folder());
  }
  if (error_number) {
    throw_failure_of(vm, fmt::format("{}: {} failed", vm.vm, word.word), error_number);
  }
  if (!quiet) std::printf("%s: %s\n", vm.vm.c_str(), outcome_of(vm, word).c_str());
}

}  // namespace

const std::vector<ControlWord>& control_words() {
  static const std::vector<ControlWord> kWords = {
      {"convert", "Convert a Linux guest for KVM: virtio disks and cards, no old tools",
       "its guest is being converted", "converted"},
      {"serve-unconverted", "After a conversion failed: serve the guest as it was", "being served",
       "served as it was"},
      {"apply", "Bring edits of guest/ into the disks now", "edits are brought in",
       "all edits are in its disks"},
      {"discard-edits", "Drop all edits of guest/ that are not in the disks yet", "dropping edits",
       "edits that waited are dropped"},
      {"force", "Say that the guest is off, although it was not shut down", "noting it",
       "taken for shut down"},
      {"reset", "Drop what was written to the disks, the conversion and all edits", "starting over",
       "as the source has it"},
      {"verify", "Read the whole source and check every grain", "the source is checked", "whole"},
      {"freeze", "Make the disks read-only for good, for images on top of them", "freezing",
       "its disks are read-only from now on"},
  };
  return kWords;
}

int control(const ControlWord& word, const std::vector<std::string>& words, bool quiet) {
  return for_each_vm(places_of(words), [&](const Place& vm) { control_vm(word, vm, quiet); });
}

}  // namespace v2vfs::ctl
