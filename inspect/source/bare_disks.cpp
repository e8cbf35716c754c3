// SPDX-License-Identifier: MIT
#include "inspect/source/bare_disks.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/disk_names.h"
#include "inspect/source/image_links.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/source_name.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostProblems = 200;

class Search {
 public:
  Search(const std::vector<DiskFile>& files, std::vector<Problem>& problems) : problems_(problems) {
    for (const DiskFile& file : files) files_.emplace(file.path(), &file);
  }

  std::vector<Descriptor> run(const std::vector<Reading>& readings) {
    for (const Reading& reading : readings) claim_files_of(reading);
    drop_named_parts();
    if (!all_belong()) {
      follow_links();
      claim_parents();
    }
    std::vector<Descriptor> found;
    for (const auto& [path, file] : files_) {
      if (!belongs(path) && is_disk(*file)) {
        found.push_back({file->root, file->name, ContentKind::disk});
      }
    }
    return found;
  }

 private:
  void claim_files_of(const Reading& reading) {
    const auto claim = [&](const FoundMachine& machine, const std::string& name) {
      if (!machine.files) return;
      for (const std::string& stored : machine.files->stored_names(name)) {
        if (const auto path = machine.files->path_of(stored)) claimed_.insert(*path);
      }
    };
    for (const FoundMachine& machine : reading.machines) {
      for (const DiskSpec& disk : machine.spec.disks) {
        if (disk.file) claim(machine, *disk.file);
        for (const std::string& parent : disk.parents) claim(machine, parent);
      }
      for (const RemovableSpec& drive : machine.spec.removables) {
        if (drive.file) claim(machine, *drive.file);
      }
      for (const SnapshotSpec& snapshot : machine.spec.snapshots) {
        for (const SnapshotDisk& disk : snapshot.disks) claim(machine, disk.file);
      }
    }
  }

  /// Ten thousand disks with a part each are not opened for that.
  void drop_named_parts() {
    for (const auto& [path, file] : files_) {
      const std::string descriptor = descriptor_of_part(path);
      if (!descriptor.empty() && files_.contains(descriptor)) parts_.insert(path);
    }
  }

  bool belongs(const std::string& path) const {
    return claimed_.contains(path) || parts_.contains(path);
  }

  bool all_belong() const {
    return std::all_of(files_.begin(), files_.end(),
                       [&](const auto& each) { return belongs(each.first); });
  }

  const ImageLinks& links_of(const std::string& path) {
    const auto known = links_.find(path);
    if (known != links_.end()) return known->second;
    ImageLinks links;
    try {
      const DiskFile& file = *files_.at(path);
      const auto folder = std::make_shared<const FolderFiles>(file.root, "");
      links = read_image_links(PackedFiles(folder, nullptr).open(file.name));
    } catch (const Error&) {  // it says so itself when it is opened as a disk
    }
    return links_.emplace(path, std::move(links)).first->second;
  }

  /// The paths that a file's links may stand for: as they are, and beside the file, where moved
  /// ones are looked for.
  std::vector<std::string> targets_of(const std::string& path) {
    const std::string folder(folder_part(path));
    std::vector<std::string> targets;
    for (const std::string& link : links_of(path).files) {
      for (const std::string& target : places_of_link(folder, link)) {
        if (target != path && files_.contains(target)) targets.push_back(target);
      }
    }
    return targets;
  }

  /// What a machine's disks are made of is the machine's.
  void follow_links() {
    std::vector<std::string> queue;
    for (const std::string& path : claimed_) {
      if (files_.contains(path)) queue.push_back(path);
    }
    while (!queue.empty()) {
      const std::string path = std::move(queue.back());
      queue.pop_back();
      for (const std::string& target : targets_of(path)) {
        if (claimed_.insert(target).second) queue.push_back(target);
      }
    }
  }

  /// Of a chain that belongs to nobody only the topmost is a disk; a snapshot that builds upon the
  /// disk of a machine and that the machine does not name is none.
  void claim_parents() {
    const std::set<std::string> of_machines = claimed_;
    for (const auto& [path, file] : files_) {
      if (of_machines.contains(path) || parts_.contains(path)) continue;
      const std::vector<std::string> targets = targets_of(path);
      if (links_of(path).is_difference) {
        leave_out_difference(path, targets);
        continue;
      }
      const bool is_snapshot =
          std::any_of(targets.begin(), targets.end(),
                      [&](const std::string& each) { return of_machines.contains(each); });
      claimed_.insert(targets.begin(), targets.end());
      if (!is_snapshot) continue;
      claimed_.insert(path);
      say(fmt::format("{} is left out: it builds upon the disk of a machine that does not name it.",
                      ovf::quoted(path)));
    }
  }

  /// What cannot be served must not hide what can: its parent stays a disk.
  void leave_out_difference(const std::string& path, const std::vector<std::string>& targets) {
    if (targets.empty()) return;
    claimed_.insert(path);
    say(
        fmt::format("{} is left out: it is a differencing disk, and those of its format are not "
                    "served.",
                    ovf::quoted(path)));
  }

  bool is_disk(const DiskFile& file) {
    const std::string path = file.path();
    const ImageKind kind = links_of(path).kind;
    if (kind == ImageKind::vmdk || kind == ImageKind::format || kind == ImageKind::boot) {
      return true;
    }
    const std::string_view plain = without_gzip_suffix(path);
    if (kind == ImageKind::none && (has_suffix(plain, ".raw") || has_suffix(plain, ".dd"))) {
      return true;
    }
    say(fmt::format("{} is left out: {}.", ovf::quoted(path),
                    kind == ImageKind::part ? "it is a part of a VMDK whose descriptor is not there"
                                            : "it is no disk that can be told by its content"));
    return false;
  }

  void say(std::string sentence) {
    if (problems_.size() >= kMostProblems) return;
    problems_.push_back({"disk-left-out", Severity::info, std::move(sentence), ""});
  }

  std::vector<Problem>& problems_;
  std::map<std::string, const DiskFile*> files_;
  std::map<std::string, ImageLinks> links_;
  std::set<std::string> claimed_;  // by machines, and by what builds upon them
  std::set<std::string> parts_;    // of a disk whose descriptor lies beside them
};

}  // namespace

DescribedMachine bare_disk_machine(std::string_view file, std::string_view folder) {
  DescribedMachine machine;
  MachineSpec& spec = machine.spec;
  spec.source_kind = "disk";
  const std::string_view plain = without_gzip_suffix(file);
  spec.name = stem_part(plain);
  spec.id = std::string(folder) + std::string(file);
  spec.memory_bytes = kAssumedMemory;
  spec.controllers.push_back({ControllerKind::sata, 0});
  DiskSpec disk;
  disk.id = file;
  disk.file = file;
  disk.controller = 0;
  if (has_suffix(plain, ".vmdk") && !has_suffix(plain, "-flat.vmdk")) {
    disk.format = DiskFormat::vmdk;
  }
  if (has_suffix(plain, "-flat.vmdk") || has_suffix(plain, ".raw") || has_suffix(plain, ".dd")) {
    disk.format = DiskFormat::raw;
  }
  if (disk.format == DiskFormat::unknown) disk.format = format_of_suffix(file);
  const bool is_raw = disk.format == DiskFormat::raw;
  spec.disks.push_back(std::move(disk));
  NicSpec nic;
  nic.model = NicModel::e1000e;
  spec.nics.push_back(std::move(nic));
  ovf::add_note(spec.assumptions,
                "Only a disk is there, no description of a machine: 2 GiB of memory, one CPU, the "
                "disk on SATA and one network adapter (e1000e) are assumed.");
  if (is_raw) {
    ovf::add_note(spec.assumptions, "By its name the disk is raw, whatever it holds.");
  }
  return machine;
}

std::vector<Descriptor> machineless_disks(const std::vector<DiskFile>& files,
                                          const std::vector<Reading>& readings,
                                          std::vector<Problem>& problems) {
  return Search(files, problems).run(readings);
}

}  // namespace v2vfs::inspect
