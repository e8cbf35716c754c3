// SPDX-License-Identifier: MIT
#include "inspect/source/newer_states.h"

#include <fmt/core.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "inspect/base/error.h"
#include "inspect/source/disk_names.h"
#include "inspect/source/image_links.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

class Search {
 public:
  Search(std::vector<Reading>& readings, const std::vector<DiskFile>& files) {
    for (const DiskFile& file : files) files_.emplace(file.path(), &file);
    for (Reading& reading : readings) {
      for (FoundMachine& machine : reading.machines) add(machine);
    }
  }

  void run() {
    for (const auto& [path, file] : files_) look_at(path);
    if (found_.empty()) return;
    const std::set<std::string> parents = parents_of_machines();
    for (const auto& [path, base] : found_) {
      if (!parents.contains(path)) warn(path, base);
    }
  }

 private:
  void add(FoundMachine& machine) {
    if (!machine.files) return;
    const auto path_of = [&](const std::string& name) {
      return machine.files->path_of(name).value_or("");
    };
    for (const DiskSpec& disk : machine.spec.disks) {
      const std::string path = disk.file ? path_of(*disk.file) : "";
      if (!path.empty()) disks_.emplace(path, &machine);
      for (const std::string& parent : disk.parents) named_.insert(path_of(parent));
    }
    for (const SnapshotSpec& snapshot : machine.spec.snapshots) {
      for (const SnapshotDisk& disk : snapshot.disks) named_.insert(path_of(disk.file));
    }
  }

  /// Ten thousand disks, and a part of each beside it, are not opened for that.
  void look_at(const std::string& path) {
    // A differencing VDI that nobody names stands as a machine of its own, which cannot be served.
    const bool is_disk = disks_.contains(path);
    if (named_.contains(path) || (is_disk && !has_suffix(path, ".vdi"))) return;
    if (files_.contains(descriptor_of_part(path))) return;
    const ImageLinks links = links_of(path);
    if (is_disk && links.parent_id.empty()) return;
    std::vector<std::string> bases = parents_in(path, links);
    bases.push_back(base_of_delta(path));
    if (!links.parent_id.empty()) bases.push_back(disk_with(links.parent_id));
    for (const std::string& base : bases) {
      if (!disks_.contains(base)) continue;
      found_.emplace_back(path, base);
      return;
    }
  }

  /// By what the file says of itself; one that cannot be read says it elsewhere.
  ImageLinks links_of(const std::string& path) const try {
    const DiskFile& file = *files_.at(path);
    return read_image_links(FolderFiles(file.root, "").open(file.name));
  } catch (const Error&) {
    return {};
  }

  std::vector<std::string> parents_in(const std::string& path, const ImageLinks& links) const {
    std::vector<std::string> parents;
    for (const std::string& link : links.parents) {
      for (std::string& place : places_of_link(std::string(folder_part(path)), link)) {
        if (files_.contains(place)) parents.push_back(std::move(place));
      }
    }
    return parents;
  }

  /// The machine's VDI of that uuid; empty if there is none.
  std::string disk_with(const std::string& id) {
    if (!vdis_) {
      vdis_.emplace();
      for (const auto& [path, machine] : disks_) {
        if (files_.contains(path) && has_suffix(path, ".vdi"))
          vdis_->emplace(links_of(path).id, path);
      }
    }
    const auto found = vdis_->find(id);
    return found == vdis_->end() ? "" : found->second;
  }

  /// What lies between a linked clone and the disk of its template is the clone's.
  std::set<std::string> parents_of_machines() const {
    std::vector<std::string> queue;
    for (const auto& [path, machine] : disks_) queue.push_back(path);
    std::set<std::string> all;
    while (!queue.empty()) {
      const std::string path = std::move(queue.back());
      queue.pop_back();
      if (!files_.contains(path)) continue;
      for (const std::string& parent : parents_in(path, links_of(path))) {
        if (all.insert(parent).second) queue.push_back(parent);
      }
    }
    return all;
  }

  void warn(const std::string& path, const std::string& base) {
    const auto [first, last] = disks_.equal_range(base);
    for (auto each = first; each != last; ++each) {
      ovf::add_problem(
          each->second->spec.problems,
          {"newer-state", Severity::warning,
           fmt::format("{} builds upon the disk {} and is not part of what is served: the machine "
                       "may have written to it since, and its disk here be old.",
                       ovf::quoted(file_part(path)), ovf::quoted(file_part(base))),
           "Merge it into its parent on the host it came from, or give the description that names "
           "it."});
    }
  }

  std::map<std::string, const DiskFile*> files_;
  std::multimap<std::string, FoundMachine*> disks_;         // by path: the topmost images
  std::set<std::string> named_;                             // by machines, besides
  std::optional<std::map<std::string, std::string>> vdis_;  // by uuid; read when one is asked for
  std::vector<std::pair<std::string, std::string>> found_;
};

}  // namespace

void warn_of_newer_states(std::vector<Reading>& readings, const std::vector<DiskFile>& files) {
  Search(readings, files).run();
}

}  // namespace v2vfs::inspect
