// SPDX-License-Identifier: MIT
#include "inspect/guest/kernel_drivers.h"

#include <algorithm>

#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

constexpr KnownDriver kDrivers[] = {
    {"virtio", "VIRTIO"},
    {"virtio_ring", "VIRTIO"},
    {"virtio_pci", "VIRTIO_PCI"},
    {"virtio_blk", "VIRTIO_BLK"},
    {"virtio_scsi", "SCSI_VIRTIO"},
    {"virtio_net", "VIRTIO_NET"},
    {"virtio_balloon", "VIRTIO_BALLOON"},
    {"virtio_rng", "HW_RANDOM_VIRTIO"},
    {"virtio_console", "VIRTIO_CONSOLE"},
    {"virtio_gpu", "DRM_VIRTIO_GPU"},
    {"vmw_vsock_virtio_transport", "VIRTIO_VSOCKETS"},
    {"pvpanic", "PVPANIC"},
    {"vmw_pvscsi", "VMWARE_PVSCSI"},
    {"vmxnet3", "VMXNET3"},
    {"vmw_balloon", "VMWARE_BALLOON"},
    {"vmwgfx", "DRM_VMWGFX"},
    {"vmw_vmci", "VMWARE_VMCI"},
    {"mptspi", "FUSION_SPI"},
    {"mptsas", "FUSION_SAS"},
    {"xen_blkfront", "XEN_BLKDEV_FRONTEND"},
    {"xen_netfront", "XEN_NETDEV_FRONTEND"},
    {"xen_scsifront", "XEN_SCSI_FRONTEND"},
    {"hv_vmbus", "HYPERV"},
    {"hv_storvsc", "HYPERV_STORAGE"},
    {"hv_netvsc", "HYPERV_NET"},
    {"ahci", "SATA_AHCI"},
    {"ata_piix", "ATA_PIIX"},
    {"nvme", "BLK_DEV_NVME"},
    {"sd_mod", "BLK_DEV_SD"},
    {"scsi_mod", "SCSI"},
    {"e1000", "E1000"},
    {"e1000e", "E1000E"},
    {"8139cp", "8139CP"},
    {"bochs", "DRM_BOCHS"},
    {"qxl", "DRM_QXL"},
};

/// Names that a module had in other kernels.
std::string today_of(std::string name) {
  if (name == "bochs_drm") return "bochs";
  if (name == "xenblk" || name == "xen_vbd") return "xen_blkfront";
  if (name == "xennet" || name == "xen_vnif") return "xen_netfront";
  return name;
}

std::map<std::string, std::string> modules_by_name(const KernelTexts& texts) {
  std::map<std::string, std::string> found;
  const auto add = [&](std::string_view path) {
    found.try_emplace(today_of(module_name(path)), std::string(path));
  };
  for (const std::string_view line : lines_of(texts.modules_dep)) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) add(line.substr(0, colon));
  }
  for (const std::string& path : texts.module_files) add(path);
  return found;
}

std::set<std::string> builtin_names(std::string_view text) {
  std::set<std::string> names;
  for (const std::string_view line : lines_of(text)) names.insert(today_of(module_name(line)));
  return names;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t offset, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[offset + i]);
  }
  return value;
}

}  // namespace

const std::vector<KnownDriver>& known_drivers() {
  static const std::vector<KnownDriver> drivers(std::begin(kDrivers), std::end(kDrivers));
  return drivers;
}

std::string module_name(std::string_view path) {
  std::string name(base_name(path));
  for (const char* const suffix : {".gz", ".xz", ".zst", ".bz2"}) {
    if (name.ends_with(suffix)) name.resize(name.size() - std::string_view(suffix).size());
  }
  for (const char* const suffix : {".ko", ".o"}) {
    if (name.ends_with(suffix)) name.resize(name.size() - std::string_view(suffix).size());
  }
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<DriverFacts> find_drivers(const KernelTexts& texts) {
  const auto modules = modules_by_name(texts);
  const auto builtin = builtin_names(texts.modules_builtin);
  const auto config = parse_kernel_config(texts.config);
  std::vector<DriverFacts> drivers;
  for (const KnownDriver& known : known_drivers()) {
    DriverFacts driver;
    driver.name = known.name;
    const auto module = modules.find(driver.name);
    const auto option = config.find(std::string(known.config));
    const bool says_builtin = option != config.end() && option->second == "y";
    if (module != modules.end()) {
      driver.state = DriverState::module;
      driver.path = module->second;
    } else if (builtin.count(driver.name) > 0 || says_builtin) {
      // CONFIG_X=m without a module is a package that is not installed.
      driver.state = DriverState::builtin;
    }
    drivers.push_back(std::move(driver));
  }
  return drivers;
}

std::map<std::string, std::string> parse_kernel_config(std::string_view text) {
  std::map<std::string, std::string> config;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with("CONFIG_") || equals == std::string_view::npos) continue;
    config[std::string(line.substr(7, equals - 7))] = line.substr(equals + 1);
  }
  return config;
}

std::vector<std::string> initrd_codecs(const std::map<std::string, std::string>& config) {
  constexpr std::pair<const char*, const char*> kCodecs[] = {
      {"RD_GZIP", "gzip"}, {"RD_BZIP2", "bzip2"}, {"RD_LZMA", "lzma"}, {"RD_XZ", "xz"},
      {"RD_LZO", "lzo"},   {"RD_LZ4", "lz4"},     {"RD_ZSTD", "zstd"}};
  std::vector<std::string> codecs;
  for (const auto& [option, name] : kCodecs) {
    const auto found = config.find(option);
    if (found != config.end() && found->second == "y") codecs.emplace_back(name);
  }
  return codecs;
}

std::string version_of_image(std::string_view head) {
  constexpr std::size_t kMagic = 0x202;
  constexpr std::size_t kPointer = 0x20e;
  if (head.size() < kPointer + 2 || head.substr(kMagic, 4) != "HdrS") return "";
  const std::size_t start = little_endian(head, kPointer, 2) + 0x200u;
  if (start == 0x200 || start >= head.size()) return "";
  const std::string_view text = head.substr(start, 256);
  const std::size_t end = std::min(text.find_first_of(std::string_view(" \0", 2)), text.size());
  const std::string_view version = text.substr(0, end);
  const bool plain = std::all_of(version.begin(), version.end(),
                                 [](char c) { return c > ' ' && c < '\x7f' && c != '/'; });
  return plain ? std::string(version) : "";
}

std::string elf_arch(std::string_view head) {
  if (head.size() < 20 || !head.starts_with("\x7f"
                                            "ELF")) {
    return "";
  }
  const bool big = head[5] == 2;
  const unsigned machine =
      big ? static_cast<std::uint8_t>(head[18]) << 8 | static_cast<std::uint8_t>(head[19])
          : little_endian(head, 18, 2);
  const bool wide = head[4] == 2;
  switch (machine) {
    case 3:
      return "i386";
    case 62:
      return wide ? "x86_64" : "i386";
    case 40:
      return "arm";
    case 183:
      return "aarch64";
    case 21:
      return big ? "ppc64" : "ppc64le";
    case 20:
      return "ppc";
    case 22:
      return wide ? "s390x" : "s390";
    case 243:
      return wide ? "riscv64" : "riscv32";
    case 258:
      return "loongarch64";
    default:
      return "";
  }
}

}  // namespace v2vfs::inspect
