// SPDX-License-Identifier: MIT
#include "inspect/guest/kernels.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/initrd_facts.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kImageHeadBytes = 64 << 10;
constexpr unsigned kModuleFolderDepth = 8;

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return name.starts_with(start); });
}

bool is_kernel_name(std::string_view name) {
  const bool leftover = name.ends_with(".rpmsave") || name.ends_with(".rpmnew") ||
                        name.ends_with(".dpkg-old") || name.ends_with(".dpkg-new") ||
                        name.ends_with(".sig") || name.ends_with(".hmac") || name.ends_with(".old");
  return !leftover &&
         (name == "vmlinuz" || name == "bzImage" || name == "Image" ||
          starts_with_any(name, {"vmlinuz-", "vmlinux-", "kernel-", "bzImage-", "Image-"}));
}

std::string version_of_name(std::string_view name) {
  const std::size_t dash = name.find('-');
  return dash == std::string_view::npos ? "" : std::string(name.substr(dash + 1));
}

/// Names without a version in them: Arch's and Alpine's "vmlinuz-linux", "vmlinuz-lts".
bool is_version(std::string_view text) { return leading_number(text).digits > 0; }

class KernelFinder {
 public:
  KernelFinder(GuestReader& reader, const BootloaderFacts& bootloader, bool open_initrds)
      : reader_(reader), bootloader_(bootloader), open_initrds_(open_initrds) {}

  std::vector<KernelFacts> find() {
    boot_ = reader_.list("/boot");
    take_modules_folders();
    take_boot_entries();
    take_boot_folder();
    std::stable_sort(kernels_.begin(), kernels_.end(),
                     [](const KernelFacts& a, const KernelFacts& b) {
                       return compare_versions(a.version, b.version) > 0;
                     });
    if (kernels_.size() > kKernels) {
      reader_.note("more kernels than are looked at");
      kernels_.resize(kKernels);
    }
    for (KernelFacts& kernel : kernels_) describe(kernel);
    open_images();
    return std::move(kernels_);
  }

 private:
  KernelFacts& kernel_of(const std::string& version) {
    for (KernelFacts& kernel : kernels_) {
      if (kernel.version == version) return kernel;
    }
    kernels_.emplace_back();
    kernels_.back().version = version;
    return kernels_.back();
  }

  void take_modules_folders() {
    for (const std::string folder : {"/lib/modules", "/usr/lib/modules"}) {
      for (const FileEntry& entry : reader_.list(folder)) {
        if (entry.stat.kind != FileKind::directory || !is_version(entry.name)) continue;
        if (kernels_.size() >= 2 * kKernels) return;
        KernelFacts& kernel = kernel_of(entry.name);
        if (kernel.modules_dir.empty()) kernel.modules_dir = folder + "/" + entry.name;
      }
    }
  }

  /// The version that an image itself says, else that of its name; a name without one belongs to
  /// the modules' folder that names it (pkgbase), or ends like it.
  std::string version_at(const std::string& path) {
    const std::string name = version_of_name(base_name(path));
    const std::string said = version_of_image(reader_.head(path, kImageHeadBytes));
    if (is_version(said)) return said;
    if (is_version(name)) return name;
    for (const KernelFacts& kernel : kernels_) {
      const auto base = reader_.text(kernel.modules_dir + "/pkgbase", kSmallFileBytes);
      if (base && trim(*base) == name) return kernel.version;
    }
    for (const KernelFacts& kernel : kernels_) {
      if (!name.empty() && kernel.version.ends_with("-" + name)) return kernel.version;
    }
    return "";
  }

  void take_boot_entries() {
    for (std::size_t i = 0; i < bootloader_.entries.size(); ++i) {
      const BootEntry& entry = bootloader_.entries[i];
      const bool foreign =
          entry.kernel.empty() || entry.kernel.ends_with(".efi") || !reader_.is_file(entry.kernel);
      if (foreign) continue;
      KernelFacts& kernel = kernel_at(entry.kernel);
      kernel.in_bootloader = true;
      if (bootloader_.default_entry == i) kernel.is_default = true;
      // Processor microcode comes first; the initrd that matters is the last one.
      if (!entry.initrds.empty() && !kernel.initrd) {
        kernel.initrd.emplace();
        kernel.initrd->path = entry.initrds.back();
      }
    }
  }

  KernelFacts& kernel_at(const std::string& path) {
    const auto known = versions_.find(path);
    std::string version = known != versions_.end() ? known->second : version_at(path);
    versions_[path] = version;
    KernelFacts& kernel = kernel_of(version.empty() ? std::string(base_name(path)) : version);
    if (kernel.path.empty()) kernel.path = path;
    return kernel;
  }

  void take_boot_folder() {
    for (const FileEntry& entry : boot_) {
      if (kernels_.size() >= 2 * kKernels) return;
      // Links name a kernel that is there under its own name too.
      if (entry.stat.kind == FileKind::file && is_kernel_name(entry.name)) {
        kernel_at("/boot/" + entry.name);
      }
    }
    for (KernelFacts& kernel : kernels_) {
      const std::string own = kernel.modules_dir + "/vmlinuz";
      if (kernel.path.empty() && !kernel.modules_dir.empty() && reader_.is_file(own)) {
        kernel.path = own;
      }
    }
  }

  void describe(KernelFacts& kernel) {
    KernelTexts texts;
    const std::string& folder = kernel.modules_dir;
    if (!folder.empty()) {
      texts.modules_dep = reader_.text(folder + "/modules.dep", kModuleIndexBytes).value_or("");
      texts.modules_builtin =
          reader_.text(folder + "/modules.builtin", kModuleIndexBytes).value_or("");
      if (texts.modules_dep.empty()) walk_modules(folder, "", 0, texts.module_files);
    }
    for (const std::string& path : {"/boot/config-" + kernel.version, folder + "/config"}) {
      if (!texts.config.empty() || path == "/config") continue;
      texts.config = reader_.text(path, kModuleIndexBytes).value_or("");
      if (!texts.config.empty()) kernel.config_path = path;
    }
    const auto config = parse_kernel_config(texts.config);
    kernel.drivers = find_drivers(texts);
    kernel.initrd_codecs = initrd_codecs(config);
    kernel.xen_pv_only = config.count("X86_XEN") > 0 || config.count("X86_64_XEN") > 0 ||
                         kernel.version.ends_with("xen") || kernel.version.ends_with("xenU");
    kernel.debug = kernel.version.ends_with("debug") || kernel.version.ends_with("-dbg");
    kernel.arch = arch_of(kernel, texts);
    if (!kernel.initrd) find_initrd(kernel);
  }

  void walk_modules(const std::string& top, const std::string& below, unsigned depth,
                    std::vector<std::string>& found) {
    if (depth > kModuleFolderDepth) return;
    for (const FileEntry& entry : reader_.list(top + "/" + below)) {
      if (found.size() >= kEntriesOfAFolder) return;
      const std::string path = below.empty() ? entry.name : below + "/" + entry.name;
      if (entry.stat.kind == FileKind::directory) walk_modules(top, path, depth + 1, found);
      const bool module = entry.name.find(".ko") != std::string::npos || entry.name.ends_with(".o");
      if (entry.stat.kind == FileKind::file && module) found.push_back(path);
    }
  }

  /// A module is an ELF file where it is not compressed; else the version's own ending tells.
  std::string arch_of(const KernelFacts& kernel, const KernelTexts& texts) {
    for (const DriverFacts& driver : kernel.drivers) {
      if (!driver.path.ends_with(".ko")) continue;
      const std::string arch = elf_arch(reader_.head(kernel.modules_dir + "/" + driver.path, 64));
      if (!arch.empty()) return arch;
    }
    for (const char* const known : {"x86_64", "aarch64", "ppc64le", "s390x", "i686"}) {
      if (kernel.version.ends_with(known)) return known == std::string("i686") ? "i386" : known;
    }
    const auto config = parse_kernel_config(texts.config);
    if (config.count("X86_64") > 0) return "x86_64";
    if (config.count("ARM64") > 0) return "aarch64";
    if (config.count("X86_32") > 0) return "i386";
    if (kernel.version.ends_with("-amd64")) return "x86_64";
    return "";
  }

  /// The shortest name that has the version in it and is no crash kernel's.
  void find_initrd(KernelFacts& kernel) {
    std::string best;
    const std::string flavour = is_version(version_of_name(base_name(kernel.path)))
                                    ? ""
                                    : version_of_name(base_name(kernel.path));
    for (const FileEntry& entry : boot_) {
      const std::string& name = entry.name;
      if (!starts_with_any(name, {"initrd.img-", "initrd-", "initramfs-", "initrd.img"})) continue;
      if (name.find("kdump") != std::string::npos || name.find("fallback") != std::string::npos) {
        continue;
      }
      const bool fits = name.find(kernel.version) != std::string::npos ||
                        (!flavour.empty() && name.find("-" + flavour) != std::string::npos);
      if (fits && (best.empty() || name.size() < best.size())) best = name;
    }
    if (best.empty()) return;
    kernel.initrd.emplace();
    kernel.initrd->path = "/boot/" + best;
  }

  void open_images() {
    std::vector<KernelFacts*> order;
    for (KernelFacts& kernel : kernels_) order.push_back(&kernel);
    std::stable_sort(order.begin(), order.end(), [](const KernelFacts* a, const KernelFacts* b) {
      return std::pair(a->is_default, a->in_bootloader) >
             std::pair(b->is_default, b->in_bootloader);
    });
    std::size_t opened = 0;
    for (KernelFacts* const kernel : order) {
      if (!kernel->initrd) continue;
      if (!open_initrds_ || opened++ >= kInitrdsOpened) continue;
      kernel->initrd = inspect_initrd(reader_, kernel->initrd->path);
      mark_drivers(*kernel);
    }
  }

  static void mark_drivers(KernelFacts& kernel) {
    for (const std::string& path : kernel.initrd->modules) {
      const std::string name = module_name(path);
      for (DriverFacts& driver : kernel.drivers) {
        if (driver.name == name) driver.in_initrd = true;
      }
    }
  }

  GuestReader& reader_;
  const BootloaderFacts& bootloader_;
  bool open_initrds_;
  std::vector<FileEntry> boot_;
  std::vector<KernelFacts> kernels_;
  std::map<std::string, std::string> versions_;
};

}  // namespace

std::vector<KernelFacts> find_kernels(GuestReader& reader, const BootloaderFacts& bootloader,
                                      bool open_initrds) {
  return KernelFinder(reader, bootloader, open_initrds).find();
}

}  // namespace v2vfs::inspect
