// SPDX-License-Identifier: MIT
#include "inspect/source/media_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;

bool is_all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_url(std::string_view name) {
  const std::size_t colon = name.find("://");
  return colon != std::string_view::npos && colon < 16;
}

class MediaCheck {
 public:
  MediaCheck(DescribedMachine machine, FileHabit habit, const SourceFiles& files,
             const std::string& place, NameLists& names)
      : spec_(std::move(machine.spec)),
        broken_(std::move(machine.unservable_disks)),
        habit_(habit),
        files_(files),
        place_(place),
        names_(names) {}

  MachineSpec run() {
    for (std::size_t i = 0; i < spec_.disks.size(); ++i) {
      if (spec_.disks[i].file && !broken_.contains(i)) check_disk(i);
    }
    for (RemovableSpec& drive : spec_.removables) check_removable(drive);
    for (SnapshotSpec& snapshot : spec_.snapshots) check_snapshot(snapshot);
    check_nvram();
    if (!broken_.empty() && !has_good_disk()) condemn();
    return std::move(spec_);
  }

 private:
  /// An errno, 0 if the file can be opened.
  int try_open(const std::string& name) {
    try {
      files_.open(name);
      return 0;
    } catch (const Error& error) {
      sentence_ = error.sentence();
      return error.error_number();
    }
  }

  void check_disk(std::size_t index) {
    std::string& file = *spec_.disks[index].file;
    if (is_url(file)) return fail(index, outside(file));
    const int error = try_open(file);
    if (error == 0) return check_parents(index);
    const std::string why = sentence_;
    const bool may_be_elsewhere = error == ENOENT || habit_ == FileHabit::moved;
    if (may_be_elsewhere && take_other_name(file)) return check_parents(index);
    if (file.starts_with("/dev/")) return fail(index, device(file));
    if (error == ENOENT) return fail(index, missing(file));
    if (error == EACCES) return fail(index, refused(why));
    fail(index, {"disk-unreadable", Severity::warning, why + ".", "Look at the file."});
  }

  void check_parents(std::size_t index) {
    for (std::string& parent : spec_.disks[index].parents) {
      if (is_url(parent)) return fail(index, outside(parent));
      const int error = try_open(parent);
      const std::string why = sentence_;
      if (error == 0 || (error == ENOENT && take_other_name(parent))) continue;
      return fail(index, error == ENOENT ? missing(parent) : refused(why));
    }
  }

  bool take_other_name(std::string& file) {
    const std::optional<std::string> found = other_name(file);
    if (!found) return false;
    add_note(spec_.assumptions, fmt::format("The file {} is not there; {} is used for it.",
                                            quoted(file), quoted(*found)));
    file = *found;
    return true;
  }

  std::optional<std::string> other_name(const std::string& file) {
    if (const std::string decoded = percent_decoded(file); decoded != file) {
      if (try_open(decoded) == 0) return decoded;
    }
    if (const std::string packed = file + ".gz"; try_open(packed) == 0) return packed;
    if (habit_ == FileHabit::beside) return newest_snapshot(file);
    const std::string slashed = with_slashes(file);
    for (const std::string& place : other_places(slashed)) {
      if (place != file && try_open(place) == 0) return place;
    }
    return in_other_case(slashed);
  }

  /// Workstation on Windows writes backslashes.
  static std::string with_slashes(std::string file) {
    std::replace(file.begin(), file.end(), '\\', '/');
    return file;
  }

  /// "/vmfs/volumes/STORE/FOLDER/FILE", "[STORE] FOLDER/FILE", "C:/FOLDER/FILE": FILE beside the
  /// description, or FOLDER/FILE beside its folder.
  static std::vector<std::string> other_places(const std::string& file) {
    std::string path = file;
    if (path.starts_with('['))
      path = trim(path.substr(std::min(path.find(']'), path.size() - 1) + 1));
    const std::string name(file_part(path));
    if (name.empty()) return {};
    std::string_view folder = folder_part(path);
    if (folder.ends_with('/')) folder.remove_suffix(1);
    const std::string parent(file_part(folder));
    std::vector<std::string> places = {file};
    if (!parent.empty() && parent != "..") places.push_back("../" + parent + "/" + name);
    places.push_back(name);
    return places;
  }

  /// On the host it came from upper and lower case may have been the same.
  std::optional<std::string> in_other_case(const std::string& file) {
    const std::string* const found = names_.ignoring_case(place_, files_, file_part(file));
    if (found && try_open(*found) == 0) return *found;
    return std::nullopt;
  }

  /// VMware exports of machines with snapshots: the descriptor says X.vmdk, there is only
  /// X.vmdk.002.
  std::optional<std::string> newest_snapshot(const std::string& file) {
    const std::vector<std::string>& names = names_.of(place_, files_);
    const std::string prefix = relative_name(file) + ".";
    std::optional<std::string> found;
    for (auto name = std::lower_bound(names.begin(), names.end(), prefix);
         name != names.end() && name->starts_with(prefix); ++name) {
      const std::string_view number = std::string_view(*name).substr(prefix.size());
      if (number.size() == 3 && is_all_digits(number)) found = *name;
    }
    return found;
  }

  static Problem missing(const std::string& file) {
    return {"disk-missing", Severity::warning,
            fmt::format("The disk's file {} is not there.", quoted(file)),
            "Put the file beside the descriptor, or export the machine again."};
  }

  static Problem outside(const std::string& file) {
    return {"disk-outside", Severity::warning,
            fmt::format("The disk's file {} is no file beside the descriptor.", quoted(file)),
            "Put the file beside the descriptor and correct its href."};
  }

  static Problem refused(const std::string& why) {
    return {"disk-outside", Severity::warning, why + ".",
            "Put the file itself (no link) beside the descriptor, and make it readable."};
  }

  static Problem device(const std::string& file) {
    return {"disk-device", Severity::warning,
            fmt::format("The disk is {}, a block device of the host it ran on.", quoted(file)),
            "Copy its content to a file of that name beside the description."};
  }

  void fail(std::size_t index, Problem problem) {
    broken_.insert(index);
    add_problem(spec_.problems, std::move(problem));
  }

  void check_removable(RemovableSpec& drive) {
    if (!drive.file) return;
    const int error = try_open(*drive.file);
    const bool may_be_elsewhere = error == ENOENT || habit_ == FileHabit::moved;
    const bool is_there = error == 0 || (may_be_elsewhere && take_other_name(*drive.file));
    if (is_there && files_.open(*drive.file).host_range()) return;
    if (is_there) {
      return add_note(spec_.ignored, fmt::format("The medium {} is compressed; unpack it, and "
                                                 "insert it by hand.",
                                                 quoted(*drive.file)));
    }
    add_note(spec_.ignored, fmt::format("The medium {} cannot be opened; its drive is empty.",
                                        quoted(*drive.file)));
    drive.file.reset();
  }

  void check_snapshot(SnapshotSpec& snapshot) {
    for (SnapshotDisk& disk : snapshot.disks) {
      if (try_open(disk.file) == 0 || take_other_name(disk.file)) continue;
      add_problem(spec_.problems, {"snapshot-incomplete", Severity::warning,
                                   fmt::format("The file {} of snapshot {} is not there.",
                                               quoted(disk.file), quoted(snapshot.name)),
                                   "Put the file beside the description."});
    }
  }

  void check_nvram() {
    if (!spec_.nvram_file || try_open(*spec_.nvram_file) == 0) return;
    if (take_other_name(*spec_.nvram_file)) return;
    spec_.nvram_file.reset();
  }

  /// An empty disk beside a missing one does not make a machine usable.
  bool has_good_disk() const {
    for (std::size_t i = 0; i < spec_.disks.size(); ++i) {
      if (spec_.disks[i].format != DiskFormat::empty && !broken_.contains(i)) return true;
    }
    return false;
  }

  /// None of the disks can be served: what stands against them stands against the machine.
  void condemn() {
    for (Problem& problem : spec_.problems) {
      if (problem.code.starts_with("disk-")) problem.severity = Severity::error;
    }
  }

  MachineSpec spec_;
  std::set<std::size_t> broken_;
  const FileHabit habit_;
  const SourceFiles& files_;
  const std::string& place_;
  NameLists& names_;
  std::string sentence_;
};

}  // namespace

const std::vector<std::string>& NameLists::of(const std::string& place, const SourceFiles& files) {
  const auto known = lists_.find(place);
  if (known != lists_.end()) return known->second;
  return lists_.emplace(place, files.names()).first->second;
}

const std::string* NameLists::ignoring_case(const std::string& place, const SourceFiles& files,
                                            std::string_view name) {
  const auto [known, is_new] = by_lower_case_.try_emplace(place);
  if (is_new) {
    for (const std::string& each : of(place, files))
      known->second.try_emplace(to_lower(each), each);
  }
  const auto found = known->second.find(to_lower(name));
  return found == known->second.end() ? nullptr : &found->second;
}

MachineSpec checked_machine(DescribedMachine machine, FileHabit habit, const SourceFiles& files,
                            const std::string& place, NameLists& names) {
  return MediaCheck(std::move(machine), habit, files, place, names).run();
}

}  // namespace v2vfs::inspect
