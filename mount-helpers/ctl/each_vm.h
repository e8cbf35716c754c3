// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mount-helpers/ctl/mounts.h"

/// What commands do that take several VMs.
namespace v2vfs::ctl {

/// All VMs that the words mean, each once. Throws Error(EINVAL) if there is no word.
std::vector<Place> places_of(const std::vector<std::string>& words);

/// Runs it for each. What fails is said on stderr and does not keep the others back, but a signal
/// does. The exit code of the first that failed.
int for_each_vm(const std::vector<Place>& vms, const std::function<void(const Place&)>& body);

/// read_text() of a file of a VM; a failure has the VM's own words for it.
std::string read_text_of(const Place& vm, const std::string& path);

/// The failure of something that was asked of a VM: what status.json says, where it says something,
/// else the errno's own text. `what` says what was tried.
[[noreturn]] void throw_failure_of(const Place& vm, const std::string& what, int error_number);

}  // namespace v2vfs::ctl
