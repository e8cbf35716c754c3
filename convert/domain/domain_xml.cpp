// SPDX-License-Identifier: MIT
#include "convert/domain/domain_xml.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "convert/domain/converted_machine.h"
#include "convert/domain/domain_model.h"
#include "convert/domain/domain_writer.h"
#include "convert/domain/drive_plan.h"
#include "convert/domain/xml_chars.h"
#include "inspect/base/checked.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::MachineSpec;
using inspect::NicModel;
using Changes = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kLeastMemory = 32 * kMiB;
constexpr std::uint64_t kMostMemory = 16 * kMiB * kMiB;
constexpr std::uint64_t kDefaultMemory = 2048 * kMiB;
constexpr unsigned kMostVcpus = 255;  // more need an IOMMU with interrupt remapping
constexpr std::size_t kMostNics = 32;
constexpr unsigned kMostSerialPorts = 4;
constexpr std::size_t kLongestName = 200;  // NAME.xml and NAME_VARS.fd are files of libvirt
constexpr std::size_t kLongestDescription = 16384;

bool is_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (dash ? text[i] != '-' : !hex) return false;
  }
  return true;
}

/// One that libvirt takes: six hexadecimal bytes, no group address, not 00:00:00:00:00:00, and not
/// fe: in front, which libvirt keeps for its own end of the cable.
bool is_usable_mac(const std::string& mac) {
  if (mac.size() != 17 || mac == "00:00:00:00:00:00" || mac.compare(0, 2, "fe") == 0) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const bool hex = (mac[i] >= '0' && mac[i] <= '9') || (mac[i] >= 'a' && mac[i] <= 'f');
    if (i % 3 == 2 ? mac[i] != ':' : !hex) return false;
  }
  const char low = mac[1];
  const int nibble = low <= '9' ? low - '0' : low - 'a' + 10;
  return (nibble & 1) == 0;
}

/// No '/', which libvirt refuses; no '.' in front, because it does not load such a file again.
std::string domain_name(const std::string& name) {
  std::string out = clean_text(trim(name), kLongestName);
  std::replace(out.begin(), out.end(), '/', '_');
  if (!out.empty() && (out[0] == '.' || out[0] == '-')) out[0] = '_';
  return out.empty() ? "vm" : out;
}

std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit) + "...";
}

std::string choose_uuid(const MachineSpec& spec, const std::string& fallback, Changes& changes) {
  if (spec.uuid && is_uuid(*spec.uuid)) return *spec.uuid;
  if (!is_uuid(fallback)) throw Error(EINVAL, "\"{}\" is no UUID", clean_text(fallback));
  if (spec.uuid) changes.emplace_back("The source's UUID is malformed: another is used");
  return fallback;
}

std::uint64_t choose_memory_kib(const MachineSpec& spec, Changes& changes) {
  std::uint64_t bytes = spec.memory_bytes;
  if (bytes == 0) {
    changes.emplace_back("The source names no memory size: 2048 MiB");
    bytes = kDefaultMemory;
  } else if (bytes < kLeastMemory || bytes > kMostMemory) {
    bytes = std::clamp(bytes, kLeastMemory, kMostMemory);
    changes.push_back(fmt::format("{} bytes of memory are beyond what a domain can have: {} MiB",
                                  spec.memory_bytes, bytes / kMiB));
  }
  return ceil_div(bytes, 1024);
}

unsigned choose_vcpus(const MachineSpec& spec, Changes& changes) {
  const unsigned vcpus = std::clamp(spec.vcpus, 1u, kMostVcpus);
  if (vcpus != spec.vcpus) {
    changes.push_back(
        fmt::format("{} CPUs are beyond what a domain can have: {}", spec.vcpus, vcpus));
  }
  return vcpus;
}

std::optional<CpuTopology> choose_topology(const MachineSpec& spec, unsigned vcpus,
                                           Changes& changes) {
  if (!spec.cores_per_socket || *spec.cores_per_socket == 0) return std::nullopt;
  const unsigned cores = *spec.cores_per_socket;
  if (vcpus % cores == 0) return CpuTopology{vcpus / cores, cores};
  changes.push_back(
      fmt::format("{} CPUs cannot be sockets of {} cores: each is a socket", vcpus, cores));
  return std::nullopt;
}

bool is_windows(const std::string& os_type) {
  const std::string lower = to_lower(os_type);
  return lower.compare(0, 3, "win") == 0 || lower.find("windows") != std::string::npos;
}

void choose_firmware(const MachineSpec& spec, const HostChoice& host, DomainModel& model) {
  model.uefi = spec.firmware == inspect::Firmware::uefi;
  if (spec.firmware == inspect::Firmware::unknown) {
    model.changes.emplace_back("The source does not say its firmware: BIOS");
  }
  if (!model.uefi) return;
  model.changes.emplace_back(
      "The UEFI variables of the source are not there: UEFI boots what it finds by itself, "
      "\\EFI\\BOOT\\BOOTX64.EFI first");
  model.secure_boot = spec.secure_boot && host.has_ovmf_secure_boot;
  if (spec.secure_boot && !model.secure_boot) {
    model.changes.emplace_back(
        "Secure Boot is off: this host has no UEFI firmware with enrolled keys (Debian: ovmf)");
  }
}

void choose_tpm(const MachineSpec& spec, const HostChoice& host, DomainModel& model) {
  if (!spec.tpm) return;
  model.tpm = host.has_swtpm;
  model.changes.emplace_back(
      host.has_swtpm ? "The TPM is a new one: what the source's TPM held is not there"
                     : "The TPM is left out: this host has no swtpm (Debian: swtpm-tools)");
}

/// ISA serial ports of a PC; their lines to the host are not the source's.
void choose_serial_ports(const MachineSpec& spec, DomainModel& model) {
  unsigned ports = 1;
  for (const inspect::SerialSpec& serial : spec.serials) ports = std::max(ports, serial.port + 1);
  model.serial_ports = std::min(ports, kMostSerialPorts);
  if (ports <= kMostSerialPorts) return;
  model.changes.push_back(fmt::format("Left out: serial ports beyond the {}th", kMostSerialPorts));
}

DomainNicModel choose_nic_model(const inspect::NicSpec& nic, Changes& changes) {
  switch (nic.model) {
    case NicModel::vmxnet3:
      return DomainNicModel::vmxnet3;
    case NicModel::e1000:
      return DomainNicModel::e1000;
    case NicModel::e1000e:
      return DomainNicModel::e1000e;
    case NicModel::virtio:
      return DomainNicModel::virtio;
    case NicModel::rtl8139:
      return DomainNicModel::rtl8139;
    case NicModel::pcnet32:
      return DomainNicModel::pcnet;
    case NicModel::unknown:
    case NicModel::vmxnet2:
      break;
  }
  const std::string word = clean_text(nic.source_model, 64);
  changes.push_back(fmt::format("A network card of the kind \"{}\" is an e1000e here",
                                word.empty() ? "unknown" : word));
  return DomainNicModel::e1000e;
}

NetworkChoice choose_network(const inspect::NicSpec& nic, const DomainOptions& options) {
  for (const auto& [from, to] : options.network_map) {
    if (nic.network && *nic.network == from) return {NetworkKind::network, to};
  }
  return options.network;
}

/// The same at every mount, in QEMU's range: libvirt would give another one at each definition.
std::string made_mac(const std::string& uuid, std::size_t number) {
  const std::string hex = Digest().add_field(uuid).add_number(number).hex();
  return fmt::format("52:54:00:{}:{}:{}", hex.substr(0, 2), hex.substr(2, 2), hex.substr(4, 2));
}

std::string choose_mac(const inspect::NicSpec& nic, DomainModel& model) {
  const std::string made = made_mac(model.uuid, model.nics.size());
  if (!nic.mac) return made;
  const bool taken = std::any_of(model.nics.begin(), model.nics.end(),
                                 [&](const DomainNic& other) { return other.mac == *nic.mac; });
  if (is_usable_mac(*nic.mac) && !taken) return *nic.mac;
  model.changes.push_back(fmt::format("The MAC address {} {}: {} is used", clean_text(*nic.mac, 32),
                                      taken ? "is there twice" : "is none that a domain can have",
                                      made));
  return made;
}

void choose_nics(const MachineSpec& spec, const DomainOptions& options, DomainModel& model) {
  const std::size_t count = std::min(spec.nics.size(), kMostNics);
  if (count < spec.nics.size()) {
    model.changes.push_back(
        fmt::format("Left out: {} network cards, because a domain gets {} at most",
                    spec.nics.size() - count, kMostNics));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const inspect::NicSpec& nic = spec.nics[i];
    DomainNic made;
    made.model = choose_nic_model(nic, model.changes);
    made.mac = choose_mac(nic, model);
    made.network = choose_network(nic, options);
    made.link_up = nic.connected;
    model.nics.push_back(std::move(made));
  }
}

void choose_drives(const MachineSpec& spec, MachineType machine,
                   const std::vector<DomainDisk>& disks, const std::vector<std::string>& media,
                   DomainModel& model) {
  model.machine = machine;
  DrivePlan plan = plan_drives(spec, model.machine, disks, media);
  model.controllers = std::move(plan.controllers);
  model.drives = std::move(plan.drives);
  std::move(plan.changes.begin(), plan.changes.end(), std::back_inserter(model.changes));
}

void check_disks(const MachineSpec& spec, const std::vector<DomainDisk>& disks) {
  if (disks.size() != spec.disks.size()) {
    throw Error(EINVAL, "{} paths for {} disks", disks.size(), spec.disks.size());
  }
  for (const DomainDisk& disk : disks) {
    if (disk.path.compare(0, 1, "/") != 0 || !is_xml_text(disk.path)) {
      throw Error(EINVAL,
                  "the path \"{}\" cannot stand in a domain: it is not absolute or not text",
                  clean_text(disk.path));
    }
  }
}

/// What both domains have of the machine.
DomainModel make_model(const MachineSpec& spec, MachineType machine, const std::string& name,
                       const std::string& uuid, const std::vector<DomainDisk>& disks,
                       const DomainOptions& options) {
  check_disks(spec, disks);
  DomainModel model;
  model.kvm = options.host.kvm;
  model.arch = options.host.arch;
  model.name = domain_name(name);
  model.description = cut(clean_multiline(spec.description), kLongestDescription);
  model.uuid = choose_uuid(spec, uuid, model.changes);
  model.memory_kib = choose_memory_kib(spec, model.changes);
  model.vcpus = choose_vcpus(spec, model.changes);
  model.topology = choose_topology(spec, model.vcpus, model.changes);
  model.localtime = spec.localtime.value_or(is_windows(spec.os_type));
  if (spec.genid && is_uuid(*spec.genid)) model.genid = *spec.genid;
  choose_firmware(spec, options.host, model);
  choose_tpm(spec, options.host, model);
  choose_drives(spec, machine, disks, options.media, model);
  choose_nics(spec, options, model);
  choose_serial_ports(spec, model);
  return model;
}

}  // namespace

DomainText compatible_domain(const MachineSpec& spec, const std::string& name,
                             const std::string& uuid, const std::vector<DomainDisk>& disks,
                             const DomainOptions& options) {
  const DomainModel model = make_model(spec, choose_machine(spec), name, uuid, disks, options);
  return {write_domain(model, spec), model.changes};
}

DomainText converted_domain(const MachineSpec& spec, const Capabilities& can,
                            const std::string& name, const std::string& uuid,
                            const std::vector<DomainDisk>& disks, const DomainOptions& options) {
  if (can.block_bus == BlockBus::source) {
    return compatible_domain(spec, name, uuid, disks, options);
  }
  const MachineSpec machine = converted_machine(spec, can);
  DomainModel model = make_model(machine, machine_type(can), name, uuid, disks, options);
  model.transitional = can.transitional;
  model.rng = can.rng;
  model.balloon = can.balloon;
  model.agent_channel = can.virtio_serial;
  return {write_domain(model, spec), model.changes};
}

std::vector<std::string> domain_macs(const MachineSpec& spec, const std::string& uuid) {
  DomainModel model;
  model.uuid = choose_uuid(spec, uuid, model.changes);
  choose_nics(spec, {}, model);
  std::vector<std::string> macs;
  for (const DomainNic& nic : model.nics) macs.push_back(nic.mac);
  return macs;
}

}  // namespace v2vfs::convert
