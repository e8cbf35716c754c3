// SPDX-License-Identifier: MIT
#include "inspect/guest/initrd_facts.h"

#include <algorithm>
#include <array>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::array<std::string_view, 24> kConfigNames = {"conf/conf.d/",
                                                           "conf/initramfs.conf",
                                                           "conf/arch.conf",
                                                           "conf/param.conf",
                                                           "cryptroot/crypttab",
                                                           "etc/crypttab",
                                                           "etc/cmdline",
                                                           "etc/cmdline.d/",
                                                           "etc/fstab",
                                                           "etc/lvm/lvm.conf",
                                                           "etc/lvm/devices/",
                                                           "etc/mdadm",
                                                           "etc/multipath",
                                                           "etc/modprobe.d/",
                                                           "etc/modprobe.conf",
                                                           "etc/systemd/network/",
                                                           "etc/udev/rules.d/",
                                                           "etc/initrd-release",
                                                           "usr/lib/initrd-release",
                                                           "etc/conf.d/",
                                                           "config",
                                                           "conf/modules",
                                                           "init",
                                                           "linuxrc"};

bool has_entry(const InitrdArchive& archive, std::string_view name) {
  return std::any_of(archive.entries.begin(), archive.entries.end(),
                     [&](const InitrdEntry& entry) { return entry.name == name; });
}

bool has_entry_below(const InitrdArchive& archive, std::string_view folder) {
  return std::any_of(archive.entries.begin(), archive.entries.end(),
                     [&](const InitrdEntry& entry) { return entry.name.starts_with(folder); });
}

/// "usr/lib/modules/V/kernel/x.ko" -> ("usr/lib/modules/V", "kernel/x.ko"); images without folders
/// have their modules in lib.
std::pair<std::string, std::string> split_module(std::string_view name) {
  constexpr std::string_view kFolder = "lib/modules/";
  const std::size_t at = name.find(kFolder);
  if (at == std::string_view::npos) return {"", std::string(name)};
  const std::size_t slash = name.find('/', at + kFolder.size());
  if (slash == std::string_view::npos) return {"", std::string(name)};
  return {std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

}  // namespace

bool is_module_file(std::string_view name) {
  for (const char* const suffix : {".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".ko.bz2"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

bool is_initrd_config(std::string_view name) {
  if (name.find("devexists") != std::string_view::npos) return true;  // dracut's waits
  return std::any_of(kConfigNames.begin(), kConfigNames.end(), [&](std::string_view known) {
    const bool folder = known.ends_with('/') || known == "etc/mdadm" || known == "etc/multipath";
    return folder ? name.starts_with(known) : name == known;
  });
}

std::string initrd_generator(const InitrdArchive& archive) {
  constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
      {"conf/initramfs.conf", "initramfs-tools"},
      {"scripts/functions", "initramfs-tools"},
      {"usr/lib/dracut-lib.sh", "dracut"},
      {"lib/dracut-lib.sh", "dracut"},
      {"usr/lib/dracut", "dracut"},
      {"lib/dracut", "dracut"},
      {"init_functions", "mkinitcpio"},
      {"sbin/nlplug-findfs", "mkinitfs"},
      {"etc/booster.init.yaml", "booster"},
      {"etc/initrd/cmdline.d", "make-initrd"},
      {"etc/initrd/rootdev", "make-initrd"},
      {"bin/nash", "mkinitrd"},
      {"sbin/nash", "mkinitrd"},
      {"mkinitrd.config", "mkinitrd-suse"},
      {"run_all.sh", "mkinitrd-suse"}};
  for (const auto& [name, generator] : kSigns) {
    if (has_entry(archive, name)) return std::string(generator);
  }
  if (has_entry_below(archive, "usr/lib/dracut/")) return "dracut";
  return "";
}

InitrdFacts initrd_facts(const InitrdArchive& archive) {
  InitrdFacts facts;
  facts.segments = archive.segments;
  facts.entries = archive.entries.size();
  facts.tail = archive.tail;
  facts.problem = archive.problem;
  facts.files = archive.files;
  if (!archive.segments.empty()) facts.compression = archive.segments.back().compression;
  facts.generator = initrd_generator(archive);
  for (const InitrdEntry& entry : archive.entries) {
    const bool regular = (entry.mode & 0170000) == 0100000;
    if (!regular || !is_module_file(entry.name)) continue;
    auto [folder, path] = split_module(entry.name);
    if (!folder.empty() && facts.modules_folder.empty()) facts.modules_folder = folder;
    facts.modules.push_back(std::move(path));
  }
  return facts;
}

InitrdFacts inspect_initrd(GuestReader& reader, const std::string& path) {
  InitrdFacts facts;
  const auto real = reader.resolve(path);
  const auto stat = real ? reader.stat(*real) : std::nullopt;
  if (!stat || stat->kind != FileKind::file) {
    facts.problem = "it is not there";
  } else {
    // A failed read ends this image, not the inspection.
    facts.problem = "it could not be read";
    reader.attempt(path, [&] {
      const auto read_at = [&](std::uint64_t offset, std::size_t length) {
        return reader.guest().read(*real, offset, length);
      };
      facts = initrd_facts(read_initrd(stat->bytes, read_at, is_initrd_config));
    });
    facts.bytes = stat->bytes;
    facts.real_path = *real;
  }
  facts.path = path;
  return facts;
}

}  // namespace v2vfs::inspect
