// SPDX-License-Identifier: MIT
#include "inspect/guest/device_names.h"

#include <algorithm>
#include <cctype>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

using Found = std::optional<std::string>;

constexpr unsigned kMappingDepth = 4;

std::string alphanumeric(std::string_view text) {
  std::string out;
  for (const char c : to_lower(text)) {
    if (std::isalnum(static_cast<unsigned char>(c))) out += c;
  }
  return out;
}

/// udev writes what is no plain character of a link's name as \xNN.
std::string without_hex_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text.substr(i, 2) == "\\x" && i + 3 < text.size() &&
                        std::isxdigit(static_cast<unsigned char>(text[i + 2])) &&
                        std::isxdigit(static_cast<unsigned char>(text[i + 3]));
    if (!escape) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16));
    i += 3;
  }
  return out;
}

/// Members of an array or a filesystem's other devices carry the same UUID as the whole.
bool is_member(const BlockDevice& device) { return device.type.ends_with("_member"); }

/// Device-mapper's name of a volume: dashes in its parts are doubled (dm_build_dm_name).
std::string mapper_name(const LogicalVolume& volume) {
  const auto doubled = [](const std::string& part) {
    std::string out;
    for (const char c : part) out += c == '-' ? "--" : std::string(1, c);
    return out;
  };
  return doubled(volume.group) + "-" + doubled(volume.name);
}

std::optional<KernelDiskName> lettered(std::string_view rest) {
  std::size_t disk = 0;
  std::size_t letters = 0;
  while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z' && letters < 3) {
    disk = disk * 26 + static_cast<std::size_t>(rest[letters] - 'a' + 1);
    ++letters;
  }
  const LeadingNumber part = leading_number(rest.substr(letters));
  if (letters == 0 || letters + part.digits != rest.size()) return std::nullopt;
  return KernelDiskName{disk - 1, part.value};
}

/// "0p2" behind the prefix of a name whose disks are counted: number, then 'p' and the partition.
std::optional<KernelDiskName> numbered(std::string_view rest) {
  const LeadingNumber disk = leading_number(rest);
  if (disk.digits == 0) return std::nullopt;
  rest.remove_prefix(disk.digits);
  if (rest.empty()) return KernelDiskName{disk.value, 0};
  const LeadingNumber part = leading_number(rest.substr(1));
  if (rest[0] != 'p' || part.digits == 0 || part.digits + 1 != rest.size()) return std::nullopt;
  return KernelDiskName{disk.value, part.value};
}

/// "nvme0n2p1": VMware gives one controller several namespaces, others one controller each.
std::optional<KernelDiskName> nvme(std::string_view rest) {
  const LeadingNumber controller = leading_number(rest);
  rest.remove_prefix(controller.digits);
  if (controller.digits == 0 || !rest.starts_with('n')) return std::nullopt;
  std::optional<KernelDiskName> name = numbered(rest.substr(1));
  if (!name || name->disk == 0) return std::nullopt;
  name->disk = name->disk - 1 + controller.value;
  return name;
}

std::string_view without_dev(std::string_view spec) {
  return spec.starts_with("/dev/") ? spec.substr(5) : std::string_view();
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return text.starts_with(start); });
}

/// by-id links of device-mapper and md name what is on the disk, not the disk.
bool is_content_link(std::string_view id) { return starts_with_any(id, {"dm-", "md-", "lvm-"}); }

/// "...-scsi-0:0:3:0-part1" -> 3. VMware leaves out target 7, which is the controller.
std::optional<std::size_t> scsi_target(std::string_view link) {
  const std::size_t at = link.find("-scsi-");
  if (at == std::string_view::npos) return std::nullopt;
  link.remove_prefix(at + 6);
  std::vector<unsigned> numbers;
  while (numbers.size() < 4) {
    const LeadingNumber number = leading_number(link);
    if (number.digits == 0) return std::nullopt;
    numbers.push_back(number.value);
    link.remove_prefix(number.digits);
    if (!link.starts_with(':')) break;
    link.remove_prefix(1);
  }
  if (numbers.size() != 4) return std::nullopt;
  return numbers[2] > 7 ? numbers[2] - 1 : numbers[2];
}

}  // namespace

std::optional<KernelDiskName> parse_kernel_disk_name(std::string_view name) {
  if (starts_with_any(name, {"sd", "hd", "vd"})) return lettered(name.substr(2));
  if (name.starts_with("xvd")) return lettered(name.substr(3));
  if (name.starts_with("nvme")) return nvme(name.substr(4));
  if (name.starts_with("mmcblk")) return numbered(name.substr(6));
  if (name.starts_with("cciss/c0d")) return numbered(name.substr(9));
  return std::nullopt;
}

unsigned part_of_link(std::string_view link) {
  const std::size_t at = link.rfind("-part");
  return at == std::string_view::npos ? 0 : leading_number(link.substr(at + 5)).value;
}

bool is_fragile_device(std::string_view spec) {
  const std::string_view name = without_dev(spec);
  if (name.starts_with("disk/by-path/")) return true;
  if (name.starts_with("disk/by-id/")) return !is_content_link(name.substr(11));
  return parse_kernel_disk_name(name).has_value();
}

const BlockDevice* DeviceNames::find(std::string_view device) const {
  for (const BlockDevice& each : storage_.devices) {
    if (each.name == device) return &each;
  }
  return nullptr;
}

std::vector<std::string> DeviceNames::disks() const {
  std::vector<std::pair<std::size_t, std::string>> numbered_disks;
  for (const PartitionTable& table : storage_.tables) {
    if (table.index) numbered_disks.emplace_back(*table.index, table.disk);
  }
  std::vector<std::string> names;
  if (!numbered_disks.empty()) {
    std::sort(numbered_disks.begin(), numbered_disks.end());
    for (auto& [index, name] : numbered_disks) names.push_back(std::move(name));
    return names;
  }
  for (const BlockDevice& device : storage_.devices) {
    if (device.kind == BlockKind::disk) names.push_back(device.name);
  }
  return names;
}

Found DeviceNames::disk_part(std::size_t disk, unsigned part) const {
  const std::vector<std::string> all = disks();
  if (disk >= all.size()) return std::nullopt;
  if (part == 0) return all[disk];
  for (const PartitionEntry& entry : storage_.partitions) {
    if (entry.disk == all[disk] && entry.number == part) return entry.device;
  }
  return std::nullopt;
}

Found DeviceNames::by_uuid(std::string_view uuid) const {
  for (const BlockDevice& device : storage_.devices) {
    if (!uuid.empty() && !is_member(device) && equals_ignoring_case(device.uuid, uuid)) {
      return device.name;
    }
  }
  return std::nullopt;
}

Found DeviceNames::by_label(std::string_view label) const {
  for (const BlockDevice& device : storage_.devices) {
    if (!label.empty() && !is_member(device) && device.label == label) return device.name;
  }
  return std::nullopt;
}

Found DeviceNames::by_partuuid(std::string_view uuid) const {
  for (const PartitionEntry& entry : storage_.partitions) {
    if (!uuid.empty() && equals_ignoring_case(entry.partuuid, uuid)) return entry.device;
  }
  return std::nullopt;
}

Found DeviceNames::by_partlabel(std::string_view label) const {
  for (const PartitionEntry& entry : storage_.partitions) {
    if (!label.empty() && entry.partlabel == label) return entry.device;
  }
  return std::nullopt;
}

Found DeviceNames::part_of_hardware_link(std::string_view link) const {
  const std::vector<std::string> all = disks();
  if (all.size() == 1) return disk_part(0, part_of_link(link));
  if (const auto target = scsi_target(link)) return disk_part(*target, part_of_link(link));
  return std::nullopt;
}

Found DeviceNames::mapping_over(std::string_view container) const {
  for (const BlockDevice& device : storage_.devices) {
    const bool over =
        std::find(device.below.begin(), device.below.end(), container) != device.below.end();
    if (device.kind == BlockKind::luks_mapping && over) return device.name;
  }
  return std::nullopt;
}

Found DeviceNames::array_with_uuid(std::string_view hex) const {
  for (const BlockDevice& device : storage_.devices) {
    if (device.kind != BlockKind::md_array) continue;
    for (const std::string& member : device.below) {
      const BlockDevice* const found = find(member);
      if (found && !hex.empty() && alphanumeric(found->uuid) == hex) return device.name;
    }
  }
  return std::nullopt;
}

Found DeviceNames::by_id(std::string_view id) const {
  if (id.starts_with("dm-name-")) return by_mapper(id.substr(8));
  if (id.starts_with("dm-uuid-LVM-")) {
    // 32 characters of the group's UUID, 32 of the volume's, both without dashes.
    for (const LogicalVolume& volume : storage_.volumes) {
      std::string uuid = volume.uuid;
      std::erase(uuid, '-');
      if (!uuid.empty() && id.ends_with(uuid)) return volume.device;
    }
    return std::nullopt;
  }
  if (id.starts_with("dm-uuid-CRYPT-")) {
    for (const BlockDevice& device : storage_.devices) {
      const bool named = device.type == "crypto_LUKS" && !device.uuid.empty() &&
                         id.find(alphanumeric(device.uuid)) != std::string_view::npos;
      if (named) return mapping_over(device.name);
    }
    return std::nullopt;
  }
  if (id.starts_with("md-uuid-")) return array_with_uuid(alphanumeric(id.substr(8)));
  if (id.starts_with("md-name-")) {
    const std::size_t colon = id.find(':');
    return by_array("md/" + std::string(id.substr(colon == id.npos ? 8 : colon + 1)));
  }
  return part_of_hardware_link(id);
}

Found DeviceNames::by_link(std::string_view link) const {
  const auto rest = [&](std::string_view folder) { return link.substr(folder.size()); };
  if (link.starts_with("by-uuid/")) return by_uuid(rest("by-uuid/"));
  if (link.starts_with("by-label/")) return by_label(without_hex_escapes(rest("by-label/")));
  if (link.starts_with("by-partuuid/")) return by_partuuid(rest("by-partuuid/"));
  if (link.starts_with("by-partlabel/")) {
    return by_partlabel(without_hex_escapes(rest("by-partlabel/")));
  }
  if (link.starts_with("by-id/")) return by_id(rest("by-id/"));
  if (link.starts_with("by-path/")) return part_of_hardware_link(rest("by-path/"));
  return std::nullopt;
}

Found DeviceNames::by_mapper(std::string_view name) const {
  for (const LogicalVolume& volume : storage_.volumes) {
    if (mapper_name(volume) == name) return volume.device;
  }
  for (const CrypttabEntry& entry : crypttab_) {
    if (entry.name != name || depth_ >= kMappingDepth) continue;
    ++depth_;
    const Found container = resolve(entry.device);
    --depth_;
    if (container) return mapping_over(*container);
  }
  const std::string whole = "/dev/mapper/" + std::string(name);
  if (find(whole)) return whole;
  // The installer's own name for the only container that there is.
  std::vector<std::string> mappings;
  for (const BlockDevice& device : storage_.devices) {
    if (device.kind == BlockKind::luks_mapping) mappings.push_back(device.name);
  }
  const bool looks_encrypted = name.ends_with("_crypt") || name.starts_with("luks-");
  return looks_encrypted && mappings.size() == 1 ? Found(mappings[0]) : std::nullopt;
}

Found DeviceNames::by_array(std::string_view name) const {
  const std::string whole = "/dev/" + std::string(name);
  for (const MdArrayEntry& entry : arrays_) {
    const bool named = entry.device == whole || (name.starts_with("md/") && !entry.name.empty() &&
                                                 entry.name.ends_with(name.substr(3)));
    if (!named) continue;
    if (const Found found = array_with_uuid(entry.uuid)) return found;
  }
  const BlockDevice* const same = find(whole);
  if (same && same->kind == BlockKind::md_array) return whole;
  std::vector<std::string> all;
  for (const BlockDevice& device : storage_.devices) {
    if (device.kind == BlockKind::md_array) all.push_back(device.name);
  }
  return all.size() == 1 ? Found(all[0]) : std::nullopt;
}

Found DeviceNames::by_volume(std::string_view name) const {
  for (const LogicalVolume& volume : storage_.volumes) {
    if (volume.group + "/" + volume.name == name) return volume.device;
  }
  return std::nullopt;
}

Found DeviceNames::by_kernel_name(std::string_view name) const {
  const auto disk = parse_kernel_disk_name(name);
  return disk ? disk_part(disk->disk, disk->part) : std::nullopt;
}

Found DeviceNames::resolve(std::string_view spec) const {
  const auto rest = [&](std::string_view tag) { return spec.substr(tag.size()); };
  if (spec.starts_with("UUID=")) return by_uuid(rest("UUID="));
  if (spec.starts_with("LABEL=")) return by_label(rest("LABEL="));
  if (spec.starts_with("PARTUUID=")) return by_partuuid(rest("PARTUUID="));
  if (spec.starts_with("PARTLABEL=")) return by_partlabel(rest("PARTLABEL="));
  const std::string_view name = without_dev(spec);
  if (name.empty()) return std::nullopt;
  if (name == "root") return root_.empty() ? std::nullopt : Found(root_);
  if (name.starts_with("disk/")) return by_link(name.substr(5));
  if (name.starts_with("mapper/")) return by_mapper(name.substr(7));
  if (const Found volume = by_volume(name)) return volume;
  const bool array = name.starts_with("md/") || (name.starts_with("md") && name.size() > 2 &&
                                                 name[2] >= '0' && name[2] <= '9');
  return array ? by_array(name) : by_kernel_name(name);
}

Found DeviceNames::stable_name(const std::string& device) const {
  for (const LogicalVolume& volume : storage_.volumes) {
    if (volume.device == device) return std::nullopt;
  }
  const BlockDevice* const found = find(device);
  if (found && !found->uuid.empty() && !is_member(*found)) return "UUID=" + found->uuid;
  for (const PartitionEntry& entry : storage_.partitions) {
    if (entry.device == device && !entry.partuuid.empty()) return "PARTUUID=" + entry.partuuid;
  }
  return std::nullopt;
}

}  // namespace v2vfs::inspect
