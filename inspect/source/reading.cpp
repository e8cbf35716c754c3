// SPDX-License-Identifier: MIT
#include "inspect/source/reading.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "inspect/source/ovf_notes.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

int rank_of(ContentKind kind) {
  switch (kind) {
    case ContentKind::vmx:
      return 0;
    case ContentKind::ovf:
      return 1;
    case ContentKind::domain:
      return 3;
    case ContentKind::xen:
      return 4;
    default:
      return 2;  // an archive
  }
}

/// A name of the folder and of the machine alike: "web.ovf", "web.ova" and "web.vmx" are the same
/// machine, "web.xml" need not be.
std::string stem_of(const Reading& reading) {
  if (rank_of(reading.descriptor.kind) > 2) return "";
  const std::string path = reading.descriptor.path();
  return std::string(folder_part(path)) + std::string(stem_part(path));
}

/// The disk files, sorted; empty if there is none, or one that is no file of a folder.
std::string files_of(const Reading& reading) {
  std::set<std::string> paths;
  for (const FoundMachine& machine : reading.machines) {
    for (const DiskSpec& disk : machine.spec.disks) {
      if (!disk.file) continue;
      const auto path = machine.files->path_of(*disk.file);
      if (!path) return "";
      paths.insert(*path);
    }
  }
  std::string all;
  for (const std::string& path : paths) all += path + '\n';
  return all;
}

class CopySearch {
 public:
  explicit CopySearch(std::vector<Reading> readings) : readings_(std::move(readings)) {}

  std::vector<Reading> run() {
    drop_copies(stem_of);
    drop_copies(files_of);
    std::vector<Reading> kept;
    for (std::size_t i = 0; i < readings_.size(); ++i) {
      if (!dropped_.contains(i)) kept.push_back(std::move(readings_[i]));
    }
    return kept;
  }

 private:
  template <typename KeyOf>
  void drop_copies(KeyOf key_of) {
    std::map<std::string, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < readings_.size(); ++i) {
      if (dropped_.contains(i)) continue;
      if (std::string key = key_of(readings_[i]); !key.empty()) {
        groups[std::move(key)].push_back(i);
      }
    }
    for (auto& [key, indexes] : groups) drop_copies_of(indexes);
  }

  /// Two of the same kind are two machines that share something, and then nobody can tell whose
  /// copy the others are.
  void drop_copies_of(std::vector<std::size_t>& indexes) {
    std::set<int> kinds;
    for (const std::size_t i : indexes) kinds.insert(rank_of(readings_[i].descriptor.kind));
    if (indexes.size() < 2 || kinds.size() < indexes.size()) return;
    std::sort(indexes.begin(), indexes.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(!readings_[a].is_usable(), rank_of(readings_[a].descriptor.kind)) <
             std::pair(!readings_[b].is_usable(), rank_of(readings_[b].descriptor.kind));
    });
    for (auto other = indexes.begin() + 1; other != indexes.end(); ++other) {
      dropped_.insert(*other);
      for (FoundMachine& machine : readings_[indexes.front()].machines) {
        ovf::add_note(machine.spec.ignored,
                      fmt::format("{} is left out: it describes the same machine.",
                                  ovf::quoted(readings_[*other].descriptor.name)));
      }
    }
  }

  std::vector<Reading> readings_;
  std::set<std::size_t> dropped_;
};

}  // namespace

bool Reading::is_usable() const {
  return std::any_of(machines.begin(), machines.end(),
                     [](const FoundMachine& machine) { return machine.spec.usable(); });
}

std::vector<Reading> without_copies(std::vector<Reading> readings) {
  return CopySearch(std::move(readings)).run();
}

}  // namespace v2vfs::inspect
