// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/bare_disks.h"
#include "inspect/source/descriptor_search.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/folder_names.h"
#include "inspect/source/libvirt_source.h"
#include "inspect/source/media_check.h"
#include "inspect/source/ovf.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/reading.h"
#include "inspect/source/source.h"
#include "inspect/source/source_name.h"
#include "inspect/source/tar_files.h"
#include "inspect/source/text_machine.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostMachines = 20'000;

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
      throw Error(EINVAL,
                  "{}: it is neither an OVF nor an OVA, VMX, Xen configuration, libvirt domain or "
                  "disk",
                  path);
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

void read_appliance(const SourceOptions& options, NameLists& names, Reading& reading) {
  const Descriptor& descriptor = reading.descriptor;
  const std::string path = descriptor.path();
  const bool is_archive = descriptor.kind == ContentKind::tar;
  const std::string place = is_archive ? path : std::string(folder_part(path));
  Contents contents = open_contents(descriptor);
  OvfEnvelope envelope = parse_ovf(contents.text, contents.name, options);
  reading.appliance = {std::move(envelope.appliance), path};
  for (OvfMachine& machine : envelope.machines) {
    DescribedMachine described{std::move(machine.spec),
                               {machine.unservable_disks.begin(), machine.unservable_disks.end()}};
    FoundMachine found;
    found.spec =
        checked_machine(std::move(described), FileHabit::beside, *contents.files, place, names);
    found.spec.source_kind = "ovf";
    for (const std::string& sentence : contents.ignored) {
      ovf::add_note(found.spec.ignored, sentence);
    }
    found.files = contents.files;
    found.descriptor_path = path;
    reading.machines.push_back(std::move(found));
  }
}

Reading read_descriptor(const Descriptor& descriptor, const SearchResult& search,
                        const SourceOptions& options, NameLists& names) {
  Reading reading{descriptor, {}, {}, {}};
  try {
    if (is_single_machine(descriptor.kind)) {
      reading.machines.push_back(read_text_machine(descriptor, search.roots, names));
    } else {
      read_appliance(options, names, reading);
    }
  } catch (const Error& error) {
    reading.error = error;
    reading.appliance.reset();
    reading.machines.clear();
    reading.machines.push_back(unreadable_machine(descriptor, error));
  }
  return reading;
}

/// The machines that descriptors describe, each once, then the disks that belong to none.
std::vector<Reading> read_all(SearchResult& search, const std::vector<std::string>& uris,
                              const SourceOptions& options) {
  std::vector<Reading> readings;
  NameLists lists;
  for (const std::string& uri : uris) {
    for (Reading& reading : read_libvirt_source(uri, search.roots, lists)) {
      readings.push_back(std::move(reading));
    }
  }
  for (const Descriptor& descriptor : search.descriptors) {
    readings.push_back(read_descriptor(descriptor, search, options, lists));
  }
  const auto disks = machineless_disks(search.disks, readings, search.problems);
  readings = without_copies(std::move(readings));
  for (const Descriptor& disk : disks) {
    readings.push_back(read_descriptor(disk, search, options, lists));
  }
  return readings;
}

void throw_if_nothing(const std::vector<Reading>& readings, const std::vector<std::string>& paths) {
  const std::string first = paths.empty() ? "" : clean_text(paths.front());
  if (readings.empty()) {
    throw Error(ENOENT,
                "\"{}\" holds no machine: no OVF, OVA, VMX, Xen configuration, libvirt domain or "
                "disk (folders are searched to a depth of 4)",
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
  if (reading.appliance) found.appliances.push_back(std::move(*reading.appliance));
}

}  // namespace

FoundSource find_machines(const std::vector<std::string>& paths, const SourceOptions& options) {
  std::vector<std::string> uris = paths;
  const auto first_path = std::stable_partition(uris.begin(), uris.end(), is_libvirt_uri);
  SearchResult search = search_descriptors({first_path, uris.end()});
  uris.erase(first_path, uris.end());
  std::vector<Reading> readings = read_all(search, uris, options);
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
