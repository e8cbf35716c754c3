// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/domain/domain_xml.h"

/// What this host can run VMs with. Reading the facts takes milliseconds and starts nothing;
/// whether KVM is more than a device node is found out by kvm_probe.h.
namespace v2vfs::convert {

/// -o accel=auto|kvm|tcg
enum class Accel { automatic, kvm, tcg };

/// nullopt for any other word.
std::optional<Accel> parse_accel(std::string_view word);

/// Where the facts are read; tests name their own.
struct HostPaths {
  std::string kvm_device = "/dev/kvm";
  std::string cpuinfo = "/proc/cpuinfo";
  std::string boot_id = "/proc/sys/kernel/random/boot_id";
  /// Firmware descriptors (QEMU's docs/interop/firmware.json), those that libvirt chooses from.
  std::vector<std::string> firmware_folders = {"/etc/qemu/firmware", "/usr/share/qemu/firmware"};
  std::vector<std::string> program_folders = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                              "/usr/bin",        "/sbin",          "/bin"};
};

struct HostFacts {
  bool kvm_opens = false;  // the device can be opened for reading and writing
  /// vmx or svm among the CPU's flags. Without it /dev/kvm, where it is there, is an imitation in
  /// software, which runs a boot sector but no kernel.
  bool cpu_virtualizes = false;
  bool has_ovmf_secure_boot = false;
  bool has_swtpm = false;
  std::string boot_id;  // empty if the host has none
};

/// Never throws: what cannot be read is not there.
HostFacts read_host_facts(const HostPaths& paths = {});

struct AccelDecision {
  bool kvm = false;
  bool wants_probe = false;  // kvm_probe.h would tell more; until then TCG
  std::string why;           // for the log
};

/// `probed` is what a probe of this boot has found, nullopt if there was none. Pure.
AccelDecision decide_accel(Accel asked, const HostFacts& facts, std::optional<bool> probed);

/// For DomainOptions.
HostChoice host_choice(const HostFacts& facts, const AccelDecision& decision);

}  // namespace v2vfs::convert
