// SPDX-License-Identifier: MIT
#include "inspect/guest/linux_facts.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/bootloader.h"
#include "inspect/guest/conversion_files.h"
#include "inspect/guest/hypervisor_items.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/kernels.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/network.h"
#include "inspect/guest/os_release.h"
#include "inspect/guest/packages.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

OsFacts read_identity(GuestReader& reader) {
  ReleaseFiles files;
  for (const std::string& path : release_file_paths()) {
    if (auto text = reader.text(path, kSmallFileBytes)) files[path] = std::move(*text);
  }
  return identify_linux(files);
}

std::string first_line_of(GuestReader& reader, const std::string& path) {
  const std::string content = reader.text(path, kSmallFileBytes).value_or("");
  for (const std::string_view line : lines_of(content)) {
    const std::string_view text = trim(line);
    if (!text.empty() && text[0] != '#') return std::string(text);
  }
  return "";
}

std::string read_hostname(GuestReader& reader) {
  for (const char* const path : {"/etc/hostname", "/etc/HOSTNAME"}) {
    const std::string name = first_line_of(reader, path);
    if (!name.empty()) return name;
  }
  auto values = assignments_of(reader.text("/etc/sysconfig/network", kSmallFileBytes).value_or(""));
  if (!values["HOSTNAME"].empty()) return values["HOSTNAME"];
  values = assignments_of(reader.text("/etc/conf.d/hostname", kSmallFileBytes).value_or(""));
  return values["hostname"];
}

/// By the first program that every system has, which is an ELF file unless it is a script.
std::string read_arch(GuestReader& reader, const std::vector<KernelFacts>& kernels) {
  for (const char* const path : {"/bin/bash", "/bin/ls", "/bin/sh", "/bin/busybox", "/bin/echo",
                                 "/bin/rm", "/usr/bin/ls", "/usr/bin/bash"}) {
    const std::string arch = elf_arch(reader.head(path, 64));
    if (!arch.empty()) return arch;
  }
  for (const KernelFacts& kernel : kernels) {
    if (!kernel.arch.empty()) return kernel.arch;
  }
  return "";
}

std::string read_init(GuestReader& reader) {
  const auto exists = [&](const char* path) { return reader.is_file(path); };
  if (exists("/usr/lib/systemd/systemd") || exists("/lib/systemd/systemd")) return "systemd";
  if (exists("/sbin/openrc") || exists("/sbin/openrc-init")) return "openrc";
  if (exists("/etc/init/rc.conf") || exists("/etc/init/rcS.conf")) return "upstart";
  return exists("/etc/inittab") ? "sysvinit" : "";
}

void collect_swap(const LinuxContext& context, GuestFacts& facts) {
  for (const FstabEntry& entry : context.fstab) {
    if (entry.type != "swap") continue;
    const auto device = context.names.resolve(entry.spec);
    if (device && facts.swap_devices.size() < kFilesystems) facts.swap_devices.push_back(*device);
  }
}

class ResumeFinder {
 public:
  ResumeFinder(GuestReader& reader, const LinuxContext& context, GuestFacts& facts)
      : reader_(reader), context_(context), facts_(facts) {}

  void find() {
    if (facts_.bootloader.default_entry) {
      const BootEntry& entry = facts_.bootloader.entries[*facts_.bootloader.default_entry];
      for (const std::string_view word : words_of(entry.options)) {
        if (word.starts_with("resume=")) add(word.substr(7), entry.file);
      }
    }
    const std::string conf = "/etc/initramfs-tools/conf.d/resume";
    if (const auto text = reader_.config(conf)) add_assignment(*text, conf);
    for (const KernelFacts& kernel : facts_.kernels) {
      if (!kernel.initrd) continue;
      const auto inside = kernel.initrd->files.find("conf/conf.d/resume");
      if (inside == kernel.initrd->files.end()) continue;
      add_assignment(inside->second, kernel.initrd->path + ":conf/conf.d/resume");
    }
    // Without a word of it, a saved memory lies on a swap device all the same.
    for (const std::string& device : facts_.swap_devices) {
      if (!known(device) && holds_saved_memory(reader_, device)) {
        facts_.resume.push_back({device, "/etc/fstab", device, true});
      }
    }
  }

 private:
  void add_assignment(const std::string& text, const std::string& file) {
    auto values = assignments_of(text);
    if (!values["RESUME"].empty()) add(values["RESUME"], file);
  }

  void add(std::string_view spec, const std::string& file) {
    if (facts_.resume.size() >= kKernels) return;
    ResumeFacts found{std::string(spec), file, "", false};
    if (const auto device = context_.names.resolve(spec)) {
      found.device = *device;
      found.hibernated = holds_saved_memory(reader_, *device);
    }
    facts_.resume.push_back(std::move(found));
  }

  bool known(const std::string& device) const {
    return std::any_of(facts_.resume.begin(), facts_.resume.end(),
                       [&](const ResumeFacts& each) { return each.device == device; });
  }

  GuestReader& reader_;
  const LinuxContext& context_;
  GuestFacts& facts_;
};

}  // namespace

void collect_filesystems(GuestReader& reader, const DiskFacts& disks, GuestFacts& facts) {
  for (const BlockDevice& device : disks.storage.devices) {
    const bool container =
        device.type.empty() || device.type.ends_with("_member") || device.type == "crypto_LUKS";
    if (container || facts.filesystems.size() >= kFilesystems) continue;
    FilesystemFacts found{device.name, device.type,  device.uuid, device.label,
                          "",          device.bytes, {}};
    for (const MountpointFacts& point : facts.mountpoints) {
      const bool first = found.mountpoint.empty() || point.path == "/";
      if (point.device == device.name && point.mounted && first) found.mountpoint = point.path;
    }
    if (!found.mountpoint.empty()) {
      reader.attempt("free space of " + found.mountpoint,
                     [&] { found.space = reader.guest().space(found.mountpoint); });
    }
    facts.filesystems.push_back(std::move(found));
  }
}

SelinuxFacts find_selinux(GuestReader& reader) {
  SelinuxFacts facts;
  const auto text = reader.config("/etc/selinux/config");
  facts.installed =
      text && (reader.is_file("/usr/sbin/load_policy") || reader.is_file("/sbin/load_policy"));
  if (!text) return facts;
  auto values = assignments_of(*text);
  facts.mode = to_lower(values["SELINUX"]);
  facts.policy = values["SELINUXTYPE"].empty() ? "targeted" : values["SELINUXTYPE"];
  const bool plain = facts.policy.find('/') == std::string::npos;
  const std::string contexts = "/etc/selinux/" + facts.policy + "/contexts/files/file_contexts";
  if (plain && reader.is_file(contexts)) facts.file_contexts = contexts;
  facts.relabel_pending = reader.is_file("/.autorelabel");
  return facts;
}

bool holds_saved_memory(GuestReader& reader, const std::string& device) {
  bool found = false;
  reader.attempt(device, [&] {
    for (const std::uint64_t page : {4096, 16384, 65536}) {
      const std::string mark = reader.guest().read_device(device, page - 10, 10);
      for (const char* const known : {"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"}) {
        if (mark.starts_with(known)) found = true;
      }
    }
  });
  return found;
}

void collect_linux(GuestReader& reader, const LinuxContext& context, GuestFacts& facts) {
  facts.os = read_identity(reader);
  facts.hostname = read_hostname(reader);
  facts.init = read_init(reader);
  collect_filesystems(reader, context.disks, facts);
  find_packages(reader, facts, context.list_applications);
  facts.bootloader = find_bootloader(reader, context.disks.firmware, facts.subvolume);
  facts.kernels = find_kernels(reader, facts.bootloader, context.open_initrds);
  facts.arch = read_arch(reader, facts.kernels);
  find_network(reader, facts);
  find_hypervisor_items(reader, facts);
  facts.selinux = find_selinux(reader);
  collect_swap(context, facts);
  ResumeFinder(reader, context, facts).find();
  find_conversion_files(reader, facts);
}

}  // namespace v2vfs::inspect
