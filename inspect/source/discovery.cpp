// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/descriptor_search.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/folder_names.h"
#include "inspect/source/media_check.h"
#include "inspect/source/ovf.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/source.h"
#include "inspect/source/source_name.h"
#include "inspect/source/tar_files.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostMachines = 20'000;

/// What one descriptor gave: machines and appliance, or the reason why not.
struct Reading {
  Descriptor descriptor;
  std::vector<FoundMachine> machines;
  FoundAppliance appliance;
  std::optional<Error> error;

  bool is_usable() const {
    return std::any_of(machines.begin(), machines.end(),
                       [](const FoundMachine& machine) { return machine.spec.usable(); });
  }
};

std::string read_text(const SourceFile& file) {
  if (file.length() > ovf::kMostDescriptorBytes) {
    throw Error(EFBIG, "{}: the descriptor is larger than 8 MiB", file.name());
  }
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

[[noreturn]] void refuse_kind(const Descriptor& descriptor) {
  const std::string path = clean_text(descriptor.path());
  switch (descriptor.kind) {
    case ContentKind::empty:
      throw Error(EINVAL, "{}: the file is empty", path);
    case ContentKind::gzip:
      throw Error(EOPNOTSUPP,
                  "{}: it is compressed with gzip, which is not served yet; unpack it "
                  "with gunzip(1) or tar(1)",
                  path);
    case ContentKind::xz:
      throw Error(EOPNOTSUPP,
                  "{}: it is compressed with xz, which is not served yet; unpack it "
                  "with unxz(1) or tar(1)",
                  path);
    case ContentKind::zip:
      throw Error(EOPNOTSUPP,
                  "{}: it is a zip archive, which is not served yet; unpack it with "
                  "unzip(1)",
                  path);
    default:
      throw Error(EINVAL, "{}: it is neither an OVF nor an OVA", path);
  }
}

/// The files of a descriptor, its text, and what was left out on the way.
struct Contents {
  std::shared_ptr<const SourceFiles> files;
  std::string text;
  std::string name;  // of the descriptor's own file, for messages and as the last resort for a name
  std::vector<std::string> ignored;
};

Contents open_archive(const Descriptor& descriptor) {
  const FolderFiles folder(descriptor.root, "");
  auto files =
      std::make_shared<TarFiles>([folder, name = descriptor.name] { return folder.open(name); });
  if (files->descriptor().empty()) {
    throw Error(EINVAL, "{}: the archive holds no OVF descriptor", clean_text(descriptor.path()));
  }
  const SourceFile file = files->open(files->descriptor());
  return {files, read_text(file), descriptor.path(), files->ignored()};
}

Contents open_contents(const Descriptor& descriptor) {
  if (descriptor.kind == ContentKind::tar) return open_archive(descriptor);
  if (descriptor.kind != ContentKind::ovf) refuse_kind(descriptor);
  const auto files =
      std::make_shared<FolderFiles>(descriptor.root, std::string(folder_part(descriptor.name)));
  return {files, read_text(files->open(file_part(descriptor.name))), descriptor.path(), {}};
}

/// A machine in whose place a descriptor stands that could not be read: a folder that says why.
FoundMachine unreadable_machine(const Descriptor& descriptor, const Error& error) {
  FoundMachine machine;
  machine.spec.name = stem_part(descriptor.name);
  machine.spec.id = machine.spec.name;
  machine.spec.problems.push_back({"descriptor-unreadable", Severity::error, error.sentence() + ".",
                                   "Export the machine again."});
  machine.files =
      std::make_shared<FolderFiles>(descriptor.root, std::string(folder_part(descriptor.name)));
  machine.descriptor_path = descriptor.path();
  return machine;
}

Reading read_descriptor(const Descriptor& descriptor, const SourceOptions& options,
                        NameLists& names) {
  const std::string path = descriptor.path();
  const bool is_archive = descriptor.kind == ContentKind::tar;
  const std::string place = is_archive ? path : std::string(folder_part(path));
  Reading reading{descriptor, {}, {}, {}};
  try {
    Contents contents = open_contents(descriptor);
    OvfEnvelope envelope = parse_ovf(contents.text, contents.name, options);
    reading.appliance = {std::move(envelope.appliance), descriptor.path()};
    for (OvfMachine& machine : envelope.machines) {
      FoundMachine found;
      found.spec = checked_machine(std::move(machine), *contents.files, place, names);
      for (const std::string& sentence : contents.ignored) {
        ovf::add_note(found.spec.ignored, sentence);
      }
      found.files = contents.files;
      found.descriptor_path = descriptor.path();
      reading.machines.push_back(std::move(found));
    }
  } catch (const Error& error) {
    reading.error = error;
    reading.machines.clear();
    reading.machines.push_back(unreadable_machine(descriptor, error));
  }
  return reading;
}

/// An .ovf and an .ova of the same name in one folder are the same export: the .ovf wins, unless it
/// cannot be used and the .ova can.
std::vector<Reading> without_copies(std::vector<Reading> readings) {
  std::map<std::string, std::vector<std::size_t>> by_stem;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const Descriptor& descriptor = readings[i].descriptor;
    const std::string path = descriptor.path();
    by_stem[std::string(folder_part(path)) + std::string(stem_part(path))].push_back(i);
  }
  std::set<std::size_t> dropped;
  for (const auto& [stem, indexes] : by_stem) {
    if (indexes.size() != 2) continue;
    std::size_t kept = indexes[0];
    std::size_t other = indexes[1];
    if (readings[kept].descriptor.kind == readings[other].descriptor.kind) continue;
    if (readings[kept].descriptor.kind != ContentKind::ovf) std::swap(kept, other);
    if (readings[kept].descriptor.kind != ContentKind::ovf) continue;
    if (!readings[kept].is_usable() && readings[other].is_usable()) std::swap(kept, other);
    dropped.insert(other);
    for (FoundMachine& machine : readings[kept].machines) {
      ovf::add_note(machine.spec.ignored,
                    fmt::format("{} is left out: it is the same export.",
                                ovf::quoted(readings[other].descriptor.name)));
    }
  }
  std::vector<Reading> kept;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (!dropped.contains(i)) kept.push_back(std::move(readings[i]));
  }
  return kept;
}

void throw_if_nothing(const std::vector<Reading>& readings, const std::vector<std::string>& paths) {
  const std::string first = paths.empty() ? "" : clean_text(paths.front());
  if (readings.empty()) {
    throw Error(ENOENT, "\"{}\" holds no OVF and no OVA (folders are searched to a depth of 4)",
                first);
  }
  for (const Reading& reading : readings) {
    if (!reading.error && !reading.machines.empty()) return;
  }
  for (const Reading& reading : readings) {
    if (reading.error) throw *reading.error;
  }
  throw Error(ENOENT, "\"{}\" describes no machine", first);
}

void gather(Reading& reading, FolderNames& names, FoundSource& found) {
  if (reading.machines.empty()) {
    found.problems.push_back(
        {"no-machine", Severity::warning,
         fmt::format("{} describes no machine.", clean_text(reading.descriptor.path())), ""});
  }
  for (FoundMachine& machine : reading.machines) {
    if (found.machines.size() >= kMostMachines) {
      found.problems.push_back({"too-many", Severity::warning,
                                "More than 20,000 machines were found; the rest is left out.", ""});
      return;
    }
    machine.folder = names.take(machine.spec.name);
    found.machines.push_back(std::move(machine));
  }
  if (!reading.error) found.appliances.push_back(std::move(reading.appliance));
}

}  // namespace

FoundSource find_machines(const std::vector<std::string>& paths, const SourceOptions& options) {
  SearchResult search = search_descriptors(paths);
  std::vector<Reading> readings;
  NameLists lists;
  for (const Descriptor& descriptor : search.descriptors) {
    readings.push_back(read_descriptor(descriptor, options, lists));
  }
  readings = without_copies(std::move(readings));
  throw_if_nothing(readings, paths);
  FoundSource found;
  found.problems = std::move(search.problems);
  FolderNames names;
  for (Reading& reading : readings) gather(reading, names, found);
  std::sort(found.machines.begin(), found.machines.end(),
            [](const FoundMachine& a, const FoundMachine& b) { return a.folder < b.folder; });
  return found;
}

}  // namespace v2vfs::inspect
