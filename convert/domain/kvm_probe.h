// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

/// Does a kernel start under KVM here? /dev/kvm can open, and KVM_CREATE_VM can succeed, where no
/// kernel runs (nested without support, KVM in software): QEMU then hangs for ever. So one is
/// started, once a boot, with nothing but a serial line.
namespace v2vfs::convert {

struct KvmProbe {
  std::string qemu = "qemu-system-x86_64";  // as ChildSetup::program
  std::string kernel;  // newest_host_kernel(): what the appliance boots as well
  std::string accel = "kvm";
  std::chrono::milliseconds time_limit{10000};
};

/// The newest /boot/vmlinuz-* that can be read and has its modules, as libguestfs's appliance takes
/// it; nullopt if there is none.
std::optional<std::string> newest_host_kernel(const std::string& boot = "/boot",
                                              const std::string& modules = "/lib/modules");

/// True once the kernel has written its version line; false if it has not within the time limit or
/// QEMU ended. nullopt if it could not be tried or `stop` (asked every 100 ms) said so: nothing is
/// known then. Waits up to the limit: for a thread of its own. QEMU is gone when this returns, and
/// when this process ends.
std::optional<bool> kernel_starts(const KvmProbe& probe, const std::function<bool()>& stop);

/// What a probe of the boot `boot_id` has found, kept in `folder`/kvm-probe.
std::optional<bool> remembered_probe(const std::string& folder, const std::string& boot_id);
/// Never throws: what cannot be kept is found out again.
void remember_probe(const std::string& folder, const std::string& boot_id, bool works);

}  // namespace v2vfs::convert
