// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_hardware.h"

#include <fmt/core.h>

#include <array>
#include <limits>

#include "inspect/base/checked.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_nics.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::uint64_t kAssumedMemory = 2ULL << 30;
constexpr std::uint64_t kMostMemory = 16ULL << 40;
constexpr std::uint64_t kMostCpus = 1024;

/// A range of items ("bound"): the plain or normal one is the machine, else its minimum.
const Item* choose(const std::vector<Item>& items, ResourceType type, MachineSpec& spec) {
  const Item* best = nullptr;
  const auto rank = [](const Item& item) {
    if (item.bound.empty() || item.bound == "normal") return 0;
    return item.bound == "min" ? 1 : 2;
  };
  for (const Item& item : items) {
    if (item.type == type && (!best || rank(item) < rank(*best))) best = &item;
  }
  if (best && rank(*best) > 0) {
    add_note(spec.assumptions, fmt::format("{} is given only as a range; its {}imum is used.",
                                           quoted(best->label), clean_text(best->bound, 8)));
  }
  return best;
}

/// Without a unit DSP0004 says bytes; producers that leave it out mean MiB.
std::optional<std::uint64_t> memory_of(const Item& item, MachineSpec& spec) {
  const auto count = parse_count(item.quantity);
  auto unit = parse_unit(item.units);
  if (!count) return std::nullopt;
  const bool is_small = *count < 1 << 20;
  if (!unit || (item.units.empty() && is_small)) {
    unit = Unit{is_small ? 1ULL << 20 : 1, true};
  }
  const Checked bytes = checked_mul(*count, unit->bytes);
  if (bytes && unit->is_guess) {
    const std::string given = item.units.empty() ? "no unit" : "the unit " + quoted(item.units);
    add_note(spec.assumptions, fmt::format("The memory, {} with {}, is read as {} MiB.", *count,
                                           given, *bytes >> 20));
  }
  return bytes;
}

void read_memory(const std::vector<Item>& items, MachineSpec& spec) {
  const Item* const item = choose(items, kMemory, spec);
  const auto bytes = item ? memory_of(*item, spec) : std::nullopt;
  spec.memory_bytes = bytes.value_or(0);
  if (spec.memory_bytes == 0) {
    spec.memory_bytes = kAssumedMemory;
    add_note(spec.assumptions, item ? fmt::format("The memory {} {} is not understood; 2 GiB are "
                                                  "assumed.",
                                                  quoted(item->quantity), quoted(item->units))
                                    : "No memory size is given; 2 GiB are assumed.");
  } else if (spec.memory_bytes > kMostMemory) {
    spec.memory_bytes = kMostMemory;
    add_note(spec.assumptions, "More than 16 TiB of memory are given; 16 TiB are used.");
  }
}

void read_cores(const std::string& text, MachineSpec& spec) {
  const auto cores = parse_count(text);
  if (cores && *cores > 0 && *cores <= spec.vcpus && spec.vcpus % *cores == 0) {
    spec.cores_per_socket = static_cast<unsigned>(*cores);
  } else {
    add_note(spec.assumptions,
             fmt::format("{} cores per socket do not divide {} CPUs; they are left out.",
                         quoted(text), spec.vcpus));
  }
}

/// oVirt says sockets, cores and threads instead of a quantity.
std::optional<std::uint64_t> cpus_of(const Item& item) {
  if (const auto count = parse_count(item.quantity)) return count;
  Checked product = parse_count(child_text(item.node, "num_of_sockets"));
  for (const std::string_view factor : {"cpu_per_socket", "threads_per_cpu"}) {
    if (product)
      product = checked_mul(*product, parse_count(child_text(item.node, factor)).value_or(1));
  }
  return product;
}

void read_cpus(const std::vector<Item>& items, MachineSpec& spec) {
  const Item* const item = choose(items, kProcessor, spec);
  const std::uint64_t count = item ? cpus_of(*item).value_or(0) : 0;
  spec.vcpus = static_cast<unsigned>(std::min(count, kMostCpus));
  if (count == 0) {
    spec.vcpus = 1;
    add_note(spec.assumptions, "No number of CPUs is given; one is assumed.");
  } else if (count > kMostCpus) {
    add_note(spec.assumptions, "More than 1,024 CPUs are given; 1,024 are used.");
  }
  if (!item) return;
  for (const std::string_view name : {"CoresPerSocket", "cpu_per_socket"}) {
    if (const std::string cores = child_text(item->node, name); !cores.empty()) {
      return read_cores(cores, spec);
    }
  }
}

bool is_carried_over(const Item& item) {
  constexpr std::array<unsigned, 13> kTypes = {
      kProcessor, kMemory,    kIdeController, kScsiHba,     kEthernet, kFloppy,      kCdDrive,
      kDvdDrive,  kDiskDrive, kStorageExtent, kLogicalDisk, kGraphics, kOtherStorage};
  for (const unsigned type : kTypes) {
    if (item.type == type) return true;
  }
  return false;
}

void read_other(const Item& item, MachineSpec& spec) {
  const std::string subtype = to_lower(item.subtype);
  if (subtype.find("vtpm") != std::string::npos) {
    spec.tpm = true;
    add_note(spec.ignored,
             "The TPM's contents are not part of an export; the machine gets a new one.");
    return;
  }
  if (is_carried_over(item)) return;
  add_note(spec.ignored,
           fmt::format("The device {} (type {}{}{}) is left out.", quoted(item.label), item.type,
                       item.subtype.empty() ? "" : ", ", clean_text(item.subtype, 64)));
}

void read_firmware(Node hardware, MachineSpec& spec) {
  const std::string firmware = to_lower(config_value(hardware, "Config", "firmware").value_or(""));
  if (firmware == "efi") spec.firmware = Firmware::uefi;
  if (firmware == "bios") spec.firmware = Firmware::bios;
  if (!firmware.empty() && spec.firmware == Firmware::unknown) {
    add_note(spec.assumptions, fmt::format("The firmware {} is not known.", quoted(firmware)));
  }
  const auto secure = config_value(hardware, "Config", "bootOptions.efiSecureBootEnabled");
  if (secure && parse_flag(*secure)) spec.secure_boot = true;
}

void read_uuid(Node hardware, MachineSpec& spec) {
  for (const auto& text : {config_value(hardware, "Config", "uuid"),
                           config_value(hardware, "ExtraConfig", "uuid.bios"),
                           config_value(hardware, "ExtraConfig", "uuid")}) {
    if (!text || spec.uuid) continue;
    spec.uuid = parse_uuid(*text);
    if (!spec.uuid) {
      add_note(spec.assumptions,
               fmt::format("The UUID {} is none; another is used.", quoted(*text)));
    }
  }
}

/// Settings that change what the guest sees and have no counterpart here.
void note_settings(Node hardware, MachineSpec& spec) {
  for (const std::string_view key : {"nestedHVEnabled", "cpuHotAddEnabled", "memoryHotAddEnabled",
                                     "flags.vbsEnabled", "flags.vvtdEnabled"}) {
    const auto value = config_value(hardware, "Config", key);
    if (value && parse_flag(*value)) {
      add_note(spec.ignored, fmt::format("The setting {} is left out.", key));
    }
  }
  const auto nvram = config_value(hardware, "ExtraConfig", "nvram");
  if (nvram && !nvram->empty()) {
    add_note(
        spec.ignored,
        fmt::format("The firmware's variables ({}) are left out: the machine starts with fresh "
                    "ones.",
                    quoted(*nvram)));
  }
}

/// Better is lower. The type may be a list.
int rank_of(std::string_view type) {
  const std::string lower = to_lower(type);
  if (lower.starts_with("vmx-")) return 0;
  if (lower.starts_with("virtualbox")) return 1;
  if (lower.starts_with("xen") || lower.starts_with("hvm")) return 2;
  return 3;
}

}  // namespace

Node choose_hardware(Node system, MachineSpec& spec) {
  const std::vector<Node> sections = children(system, "VirtualHardwareSection");
  Node best;
  int best_rank = std::numeric_limits<int>::max();
  std::string best_type;
  for (const Node& section : sections) {
    const std::string type = child_text(child(section, "System"), "VirtualSystemType");
    if (rank_of(type) >= best_rank) continue;
    best = section;
    best_rank = rank_of(type);
    best_type = type;
  }
  if (sections.size() > 1) {
    add_note(spec.assumptions, fmt::format("Of {} hardware sections the one for {} is used.",
                                           sections.size(), quoted(best_type)));
  }
  return best;
}

void read_devices(const std::vector<Item>& items, MachineSpec& spec) {
  read_cpus(items, spec);
  read_memory(items, spec);
  read_nics(items, spec);
  for (const Item& item : items) read_other(item, spec);
}

void read_vmware_config(Node hardware, MachineSpec& spec) {
  read_firmware(hardware, spec);
  read_uuid(hardware, spec);
  const auto cores = config_value(hardware, "ExtraConfig", "cpuid.coresPerSocket");
  if (cores && !spec.cores_per_socket) read_cores(*cores, spec);
  note_settings(hardware, spec);
}

}  // namespace v2vfs::inspect::ovf
