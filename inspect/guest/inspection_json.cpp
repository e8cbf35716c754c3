// SPDX-License-Identifier: MIT
#include "inspect/guest/inspection_json.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "inspect/base/text.h"
#include "inspect/guest/guest_words.h"
#include "inspect/source/source_json.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestPath = 16 << 10;  // 4,096 bytes, each escaped
constexpr std::size_t kLongestOptions = 16 << 10;

Json text_of(const std::string& text) { return clean_text(text); }
Json path_of(const std::string& path) { return clean_text(path, kLongestPath); }
Json long_text(const std::string& text) { return clean_text(text, kLongestOptions); }

template <typename Number>
Json number_or_null(const std::optional<Number>& number) {
  return number ? Json(*number) : Json(nullptr);
}

template <typename List, typename Make>
Json array_of(const List& list, Make make) {
  Json array = Json::array();
  for (const auto& each : list) array.push_back(make(each));
  return array;
}

Json texts(const std::vector<std::string>& list) { return array_of(list, path_of); }

Json space_object(const FilesystemFacts& filesystem) {
  Json object = {{"device", path_of(filesystem.device)},
                 {"type", text_of(filesystem.type)},
                 {"uuid", text_of(filesystem.uuid)},
                 {"label", text_of(filesystem.label)},
                 {"mountpoint", path_of(filesystem.mountpoint)},
                 {"device_bytes", filesystem.device_bytes},
                 {"bytes", nullptr},
                 {"free_bytes", nullptr},
                 {"files", nullptr},
                 {"free_files", nullptr}};
  if (const auto& space = filesystem.space) {
    object["bytes"] = space->bytes;
    object["free_bytes"] = space->free_bytes;
    object["files"] = space->files;
    object["free_files"] = space->free_files;
  }
  return object;
}

Json mountpoint_object(const MountpointFacts& point) {
  return {{"path", path_of(point.path)},
          {"device", path_of(point.device)},
          {"subvolume", path_of(point.subvolume)},
          {"uuid", text_of(point.uuid)},
          {"label", text_of(point.label)},
          {"type", text_of(point.type)},
          {"options", long_text(point.options)},
          {"spec", path_of(point.spec)},
          {"mounted", point.mounted}};
}

Json application_object(const Application& application) {
  return {{"name", text_of(application.name)},
          {"display_name", text_of(application.display_name)},
          {"epoch", text_of(application.epoch)},
          {"version", text_of(application.version)},
          {"release", text_of(application.release)},
          {"arch", text_of(application.arch)},
          {"publisher", text_of(application.publisher)}};
}

Json driver_object(const DriverFacts& driver) {
  return {{"name", driver.name}, {"state", word(driver.state)}, {"in_initrd", driver.in_initrd}};
}

Json segment_object(const InitrdSegment& segment) {
  return {{"offset", segment.offset},   {"bytes", segment.bytes},
          {"padding", segment.padding}, {"compression", segment.compression},
          {"entries", segment.entries}, {"has_trailer", segment.has_trailer}};
}

bool has_virtio(const KernelFacts& kernel) {
  for (const DriverFacts& driver : kernel.drivers) {
    const bool disk = driver.name == "virtio_blk" || driver.name == "virtio_scsi";
    if (disk && (driver.in_initrd || driver.state == DriverState::builtin)) return true;
  }
  return false;
}

Json initrd_object(const KernelFacts& kernel) {
  if (!kernel.initrd) return nullptr;
  const InitrdFacts& initrd = *kernel.initrd;
  return {{"path", path_of(initrd.path)},
          {"real_path", path_of(initrd.real_path)},
          {"bytes", initrd.bytes},
          {"compression", initrd.compression},
          {"generator", initrd.generator},
          {"has_virtio", has_virtio(kernel)},
          {"entries", initrd.entries},
          {"modules", initrd.modules.size()},
          {"modules_folder", path_of(initrd.modules_folder)},
          {"segments", array_of(initrd.segments, segment_object)},
          {"tail", initrd.tail},
          {"problem", long_text(initrd.problem)}};
}

Json kernel_object(const KernelFacts& kernel) {
  return {{"version", text_of(kernel.version)},
          {"path", path_of(kernel.path)},
          {"modules_dir", path_of(kernel.modules_dir)},
          {"arch", text_of(kernel.arch)},
          {"is_default", kernel.is_default},
          {"in_bootloader", kernel.in_bootloader},
          {"debug", kernel.debug},
          {"xen_pv_only", kernel.xen_pv_only},
          {"initrd_codecs", texts(kernel.initrd_codecs)},
          {"drivers", array_of(kernel.drivers, driver_object)},
          {"initrd", initrd_object(kernel)}};
}

Json entry_object(const BootEntry& entry) {
  return {{"title", text_of(entry.title)},       {"id", text_of(entry.id)},
          {"kernel", path_of(entry.kernel)},     {"initrds", texts(entry.initrds)},
          {"options", long_text(entry.options)}, {"file", path_of(entry.file)}};
}

Json bootloader_object(const BootloaderFacts& loader) {
  return {{"kind", loader.kind},
          {"config", path_of(loader.config_path)},
          {"default", number_or_null(loader.default_entry)},
          {"default_source", loader.default_source},
          {"uses_bls", loader.uses_bls},
          {"entries", array_of(loader.entries, entry_object)}};
}

Json nic_object(const NicFacts& nic) {
  return {{"name", text_of(nic.name)},
          {"mac", nic.mac},
          {"method", text_of(nic.method)},
          {"addresses", texts(nic.addresses)},
          {"gateways", texts(nic.gateways)},
          {"dns", texts(nic.dns)},
          {"style", nic.style},
          {"file", path_of(nic.file)}};
}

Json rule_object(const NicNameRule& rule) {
  return {{"name", text_of(rule.name)}, {"mac", rule.mac}, {"file", path_of(rule.file)}};
}

Json fragile_object(const FragileDevice& fragile) {
  return {{"file", path_of(fragile.file)},
          {"line", fragile.line},
          {"name", path_of(fragile.name)},
          {"device", path_of(fragile.device)},
          {"replacement", path_of(fragile.replacement)}};
}

Json item_object(const HypervisorItem& item) {
  return {{"kind", item.kind},
          {"hypervisor", item.hypervisor},
          {"name", text_of(item.name)},
          {"path", path_of(item.path)}};
}

Json selinux_object(const SelinuxFacts& selinux) {
  return {{"installed", selinux.installed},
          {"mode", text_of(selinux.mode)},
          {"policy", text_of(selinux.policy)},
          {"relabel_pending", selinux.relabel_pending}};
}

Json resume_object(const ResumeFacts& resume) {
  return {{"spec", path_of(resume.spec)},
          {"file", path_of(resume.file)},
          {"device", path_of(resume.device)},
          {"hibernated", resume.hibernated}};
}

Json windows_object(const std::optional<WindowsFacts>& found) {
  if (!found) return nullptr;
  Json drives = Json::object();
  for (const auto& [letter, device] : found->drive_mappings) drives[letter] = path_of(device);
  return {{"systemroot", path_of(found->systemroot)},
          {"software_hive", path_of(found->software_hive)},
          {"system_hive", path_of(found->system_hive)},
          {"current_control_set", found->current_control_set},
          {"build", text_of(found->build)},
          {"edition", text_of(found->edition)},
          {"display_version", text_of(found->display_version)},
          {"installation_type", text_of(found->installation_type)},
          {"hibernated", found->hibernated},
          {"fast_startup", found->fast_startup},
          {"group_policy", found->group_policy},
          {"antivirus", found->antivirus},
          {"drive_mappings", drives}};
}

Json guest_object(const GuestFacts& guest) {
  return {{"root", path_of(guest.root)},
          {"subvolume", path_of(guest.subvolume)},
          {"type", text_of(guest.os.type)},
          {"distro", text_of(guest.os.distro)},
          {"version",
           {{"major", number_or_null(guest.os.major)}, {"minor", number_or_null(guest.os.minor)}}},
          {"product_name", text_of(guest.os.product_name)},
          {"variant", text_of(guest.os.variant)},
          {"codename", text_of(guest.os.codename)},
          {"arch", text_of(guest.arch)},
          {"osinfo", text_of(guest.osinfo)},
          {"osinfo_known", text_of(guest.osinfo_known)},
          {"hostname", text_of(guest.hostname)},
          {"package_format", guest.package_format},
          {"package_management", guest.package_management},
          {"init", guest.init},
          {"mountpoints", array_of(guest.mountpoints, mountpoint_object)},
          {"filesystems", array_of(guest.filesystems, space_object)},
          {"kernels", array_of(guest.kernels, kernel_object)},
          {"bootloader", bootloader_object(guest.bootloader)},
          {"network", array_of(guest.network, nic_object)},
          {"nic_names", array_of(guest.nic_names, rule_object)},
          {"fragile_devices", array_of(guest.fragile_devices, fragile_object)},
          {"hypervisor_items", array_of(guest.hypervisor_items, item_object)},
          {"selinux", selinux_object(guest.selinux)},
          {"swap_devices", texts(guest.swap_devices)},
          {"resume", array_of(guest.resume, resume_object)},
          {"windows", windows_object(guest.windows)},
          {"notes", array_of(guest.notes, long_text)},
          {"applications", array_of(guest.applications, application_object)}};
}

Json partition_object(const PartitionEntry& entry) {
  return {{"device", path_of(entry.device)},      {"number", entry.number},
          {"start_bytes", entry.start_bytes},     {"bytes", entry.bytes},
          {"bootable", entry.bootable},           {"mbr_id", number_or_null(entry.mbr_id)},
          {"gpt_type", text_of(entry.gpt_type)},  {"partuuid", text_of(entry.partuuid)},
          {"partlabel", text_of(entry.partlabel)}};
}

Json tables_of(const Storage& storage) {
  return array_of(storage.tables, [&](const PartitionTable& table) -> Json {
    Json partitions = Json::array();
    for (const PartitionEntry& entry : storage.partitions) {
      if (entry.disk == table.disk) partitions.push_back(partition_object(entry));
    }
    return {{"disk", path_of(table.disk)},
            {"index", number_or_null(table.index)},
            {"kind", text_of(table.kind)},
            {"disk_id", text_of(table.disk_id)},
            {"partitions", partitions}};
  });
}

Json device_object(const BlockDevice& device) {
  return {{"name", path_of(device.name)},  {"kind", word(device.kind)},
          {"below", texts(device.below)},  {"bytes", device.bytes},
          {"type", text_of(device.type)},  {"uuid", text_of(device.uuid)},
          {"label", text_of(device.label)}};
}

Json volume_object(const LogicalVolume& volume) {
  return {{"device", path_of(volume.device)},
          {"group", text_of(volume.group)},
          {"name", text_of(volume.name)},
          {"uuid", text_of(volume.uuid)}};
}

Json luks_object(const LuksFacts& luks) {
  return {{"device", path_of(luks.device)},
          {"uuid", text_of(luks.uuid)},
          {"mapping", path_of(luks.mapping)},
          {"locked", luks.mapping.empty()},
          {"problem", long_text(luks.problem)}};
}

Json btrfs_object(const BtrfsFacts& btrfs) {
  const auto subvolume = [](const BtrfsSubvolume& each) -> Json {
    return {{"id", each.id},
            {"path", path_of(each.path)},
            {"is_default", each.is_default},
            {"is_snapshot", each.is_snapshot}};
  };
  return {{"device", path_of(btrfs.device)}, {"subvolumes", array_of(btrfs.subvolumes, subvolume)}};
}

Json disks_object(const DiskFacts& disks) {
  return {{"firmware", word(disks.firmware)},
          {"esp", path_of(disks.esp)},
          {"tables", tables_of(disks.storage)},
          {"devices", array_of(disks.storage.devices, device_object)},
          {"volumes", array_of(disks.storage.volumes, volume_object)},
          {"luks", array_of(disks.luks, luks_object)},
          {"btrfs", array_of(disks.btrfs, btrfs_object)}};
}

Json problem_object(const Problem& problem) {
  return {{"code", problem.code},
          {"severity", word(problem.severity)},
          {"what", clean_text(problem.what, 8192)},
          {"fix", clean_text(problem.fix, 2048)}};
}

}  // namespace

std::string inspection_json(const MachineSpec& source, const GuestInspection& inspection,
                            std::chrono::system_clock::time_point as_of) {
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(as_of);
  const Json json = {{"as_of", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds))},
                     {"source", Json::parse(machine_json(source))},
                     {"chosen", number_or_null(inspection.chosen)},
                     {"readiness", array_of(inspection.readiness, problem_object)},
                     {"guests", array_of(inspection.guests, guest_object)},
                     {"disks", disks_object(inspection.disks)}};
  return json.dump(2) + "\n";
}

}  // namespace v2vfs::inspect
