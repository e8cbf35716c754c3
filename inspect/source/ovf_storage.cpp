// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_storage.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <tuple>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_controllers.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::size_t kMostDrives = 512;  // VMware's own limits come to 256 disks
constexpr std::uint64_t kMostUnit = 255;
constexpr unsigned kScsiHostUnit = 7;  // the adapter's own place on a parallel SCSI bus

/// "ovf:/disk/ID", "/disk/ID" (AWS, OVF 0.9), "ovf://disk/ID", "disk/ID".
struct HostResource {
  enum class Kind { none, disk, file, other } kind = Kind::none;
  std::string id;
};

HostResource parse_host_resource(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.empty()) return {};
  if (rest.starts_with("ovf:")) rest.remove_prefix(4);
  while (rest.starts_with("/")) rest.remove_prefix(1);
  if (rest.starts_with("disk/")) return {HostResource::Kind::disk, std::string(rest.substr(5))};
  if (rest.starts_with("file/")) return {HostResource::Kind::file, std::string(rest.substr(5))};
  return {HostResource::Kind::other, std::string(trim(text))};
}

bool is_disk(unsigned type) {
  return type == kDiskDrive || type == kLogicalDisk || type == kStorageExtent;
}
bool is_removable(unsigned type) {
  return type == kCdDrive || type == kDvdDrive || type == kFloppy;
}

class StorageReader {
 public:
  StorageReader(const std::vector<Item>& items, const Tables& tables, MachineSpec& spec)
      : items_(items), tables_(tables), spec_(spec), controllers_(spec) {}

  std::vector<std::size_t> run() {
    for (const Item& item : items_) controllers_.add(item);
    for (const Item& item : items_) {
      if (is_disk(item.type)) read_disk(item);
      if (is_removable(item.type)) read_removable(item);
    }
    place_drives();
    sort_disks();
    std::vector<std::size_t> unservable;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (broken_.contains(order_[i])) unservable.push_back(i);
    }
    return unservable;
  }

 private:
  /// Where a drive hangs, before units are given to those that name none.
  struct Place {
    std::optional<std::size_t> controller;
    std::optional<unsigned> unit;
    bool is_disk = false;
    std::size_t index = 0;  // in spec.disks or spec.removables
    std::string label;
  };

  void read_disk(const Item& item) {
    if (spec_.disks.size() >= kMostDrives) {
      return add_note(spec_.ignored, "Disks beyond the 512th are left out.");
    }
    DiskSpec disk;
    const DiskEntry* const entry = find_entry(item);
    disk.id = entry ? entry->id : clean_id(item);
    if (entry) {
      take_entry(*entry, disk);
    } else {
      take_item_alone(item, disk);
    }
    take_boot_order(item, disk);
    place(item, entry ? entry->bus : "", true, spec_.disks.size());
    disk.controller = places_.back().controller;
    spec_.disks.push_back(std::move(disk));
  }

  static std::string clean_id(const Item& item) {
    const std::string id = parse_host_resource(item.host_resource).id;
    return id.empty() ? item.label : id;
  }

  const DiskEntry* find_entry(const Item& item) const {
    const HostResource resource = parse_host_resource(item.host_resource);
    if (const DiskEntry* found = tables_.disk(resource.id)) return found;
    if (resource.kind == HostResource::Kind::disk) return nullptr;
    return tables_.disk_of_file(resource.id);  // ovf:/file/ID, and oVirt's "GROUP/IMAGE"
  }

  void take_entry(const DiskEntry& entry, DiskSpec& disk) {
    disk.format = entry.format;
    disk.capacity_bytes = entry.capacity_bytes;
    for (const std::string& sentence : entry.assumptions) add_note(spec_.assumptions, sentence);
    for (const Problem& problem : entry.problems) add_problem(spec_.problems, problem);
    take_parents(entry, disk);
    if (entry.file_ref.empty()) return take_empty(disk);
    const FileEntry* const file = tables_.file(entry.file_ref);
    if (file) return take_file(*file, disk);
    fail("disk-file-unknown",
         fmt::format("Disk {} refers to the file {}, which the descriptor does not list.",
                     quoted(entry.id), quoted(entry.file_ref)),
         "Correct the disk's fileRef in the descriptor.");
  }

  void take_parents(const DiskEntry& entry, DiskSpec& disk) try {
    for (const FileEntry* parent : tables_.parents_of(entry)) disk.parents.push_back(parent->href);
    if (entry.parent_ref.empty() || !entry.file_ref.empty()) return;
    throw Error(EINVAL, "it has no file of its own");
  } catch (const Error& error) {
    fail("disk-delta",
         fmt::format("Disk {} holds only the differences to {}, and {}.", quoted(entry.id),
                     quoted(entry.parent_ref), error.sentence()),
         "Correct the disk's parentRef, or export the machine again without snapshots.");
  }

  void take_empty(DiskSpec& disk) {
    disk.format = DiskFormat::empty;
    if (disk.capacity_bytes.value_or(0) > 0) return;
    fail("disk-size-unknown",
         fmt::format("Disk {} has no file, and its capacity is not known.", quoted(disk.id)),
         "Give the disk a capacity in the descriptor.");
  }

  void take_file(const FileEntry& file, DiskSpec& disk) {
    disk.file = file.href;
    disk.file_bytes = file.bytes;
    if (disk.format == DiskFormat::unknown) disk.format = format_by_name(file.href);
    if (!file.compression.empty() && file.compression != "gzip") {
      fail("disk-compressed",
           fmt::format("The file {} is compressed ({}), which is not served.", quoted(file.href),
                       quoted(file.compression)),
           "Decompress it and take ovf:compression out of the descriptor.");
    }
  }

  static DiskFormat format_by_name(std::string_view href) {
    const std::string name = to_lower(without_gzip_suffix(href));
    if (name.ends_with(".vmdk")) return DiskFormat::vmdk;
    if (name.ends_with(".raw") || name.ends_with(".img")) return DiskFormat::raw;
    return format_of_suffix(name);
  }

  /// A disk item that names no disk of the DiskSection: perhaps a file, perhaps only a size.
  void take_item_alone(const Item& item, DiskSpec& disk) {
    const HostResource resource = parse_host_resource(item.host_resource);
    const FileEntry* const file = tables_.file(resource.id);
    if (file && resource.kind != HostResource::Kind::disk) return take_file(*file, disk);
    const auto count = parse_count(item.quantity);
    const auto unit = parse_unit(item.units);
    const Checked bytes = count && unit ? checked_mul(*count, unit->bytes) : std::nullopt;
    if (resource.kind == HostResource::Kind::none && bytes.value_or(0) >= 512) {
      disk.format = DiskFormat::empty;
      disk.capacity_bytes = bytes;
      return add_note(spec_.assumptions,
                      fmt::format("Disk {} names no file; it is an empty disk of {} bytes.",
                                  quoted(item.label), *bytes));
    }
    fail("disk-unknown",
         fmt::format("Disk {} refers to {}, which the descriptor does not list.",
                     quoted(item.label), quoted(item.host_resource)),
         "Correct the disk's HostResource in the descriptor.");
  }

  /// oVirt numbers the boot devices in the item.
  void take_boot_order(const Item& item, DiskSpec& disk) const {
    const auto order = parse_count(child_text(item.node, "BootOrder"));
    if (order && *order > 0 && *order <= kMostUnit) disk.boot_order = static_cast<unsigned>(*order);
  }

  /// The disk that is being read cannot be served.
  void fail(std::string code, std::string what, std::string fix) {
    broken_.insert(spec_.disks.size());
    add_problem(spec_.problems,
                {std::move(code), Severity::warning, std::move(what), std::move(fix)});
  }

  void read_removable(const Item& item) {
    if (spec_.removables.size() >= kMostDrives) return;
    RemovableSpec drive;
    drive.kind = item.type == kFloppy ? RemovableKind::floppy : RemovableKind::cdrom;
    const HostResource resource = parse_host_resource(item.host_resource);
    const DiskEntry* const disk = tables_.disk(resource.id);
    const FileEntry* const file = tables_.file(disk ? disk->file_ref : resource.id);
    if (file) drive.file = file->href;
    if (!file && resource.kind != HostResource::Kind::none) {
      add_note(spec_.ignored, fmt::format("The medium {} of drive {} is left out.",
                                          quoted(item.host_resource), quoted(item.label)));
    }
    if (drive.kind == RemovableKind::cdrom) place(item, "", false, spec_.removables.size());
    if (drive.kind == RemovableKind::cdrom) drive.controller = places_.back().controller;
    spec_.removables.push_back(std::move(drive));
  }

  void place(const Item& item, const std::string& bus, bool is_disk, std::size_t index) {
    Place place;
    place.is_disk = is_disk;
    place.index = index;
    place.label = item.label;
    place.controller = controllers_.find(item.parent);
    if (!place.controller && !bus.empty()) place.controller = controllers_.for_bus(bus);
    if (!place.controller && is_disk) {
      add_note(spec_.assumptions,
               fmt::format("Disk {} names no controller that is there.", quoted(item.label)));
    }
    const auto unit = parse_count(item.address_on_parent);
    if (unit && *unit <= kMostUnit) place.unit = static_cast<unsigned>(*unit);
    places_.push_back(std::move(place));
  }

  /// Those with a unit of their own first, so that the others get what is left.
  void place_drives() {
    for (Place& place : places_) {
      if (place.unit && !take_unit(place, *place.unit)) {
        add_note(spec_.assumptions,
                 fmt::format("Unit {} of drive {} is taken; the next free one is used.",
                             *place.unit, quoted(place.label)));
        place.unit.reset();
      }
    }
    for (Place& place : places_) {
      if (!place.unit) place.unit = next_free_unit(place);
      (place.is_disk ? spec_.disks[place.index].unit : spec_.removables[place.index].unit) =
          *place.unit;
    }
  }

  bool take_unit(const Place& place, unsigned unit) {
    return !place.controller || taken_.emplace(*place.controller, unit).second;
  }

  unsigned next_free_unit(const Place& place) {
    const bool is_scsi =
        place.controller && family_of(spec_.controllers[*place.controller].kind) == Family::scsi;
    unsigned unit = 0;
    while ((is_scsi && unit == kScsiHostUnit) || !take_unit(place, unit)) ++unit;
    return unit;
  }

  using SortKey = std::tuple<std::size_t, unsigned, unsigned, std::size_t>;

  SortKey sort_key(std::size_t index, const std::map<Family, std::size_t>& rank) const {
    const DiskSpec& disk = spec_.disks[index];
    if (!disk.controller) return {spec_.disks.size(), 0, disk.unit, index};
    const ControllerSpec& controller = spec_.controllers[*disk.controller];
    return {rank.at(family_of(controller.kind)), controller.bus_number, disk.unit, index};
  }

  void sort_disks() {
    std::map<Family, std::size_t> rank;
    for (std::size_t i = 0; i < spec_.disks.size(); ++i) {
      order_.push_back(i);
      const auto controller = spec_.disks[i].controller;
      if (controller) rank.try_emplace(family_of(spec_.controllers[*controller].kind), i);
    }
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return sort_key(a, rank) < sort_key(b, rank); });
    std::vector<DiskSpec> sorted;
    for (const std::size_t index : order_) sorted.push_back(spec_.disks[index]);
    if (!std::is_sorted(order_.begin(), order_.end())) {
      add_note(spec_.assumptions,
               "Disks are counted by controller and unit, not in the descriptor's order.");
    }
    spec_.disks = std::move(sorted);
  }

  const std::vector<Item>& items_;
  const Tables& tables_;
  MachineSpec& spec_;
  Controllers controllers_;
  std::vector<Place> places_;
  std::set<std::pair<std::size_t, unsigned>> taken_;
  std::set<std::size_t> broken_;    // in document order
  std::vector<std::size_t> order_;  // document index of each sorted disk
};

}  // namespace

std::vector<std::size_t> read_storage(const std::vector<Item>& items, const Tables& tables,
                                      MachineSpec& spec) {
  return StorageReader(items, tables, spec).run();
}

}  // namespace v2vfs::inspect::ovf
