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
#include "inspect/source/inflated_file.h"
#include "inspect/source/libvirt_source.h"
#include "inspect/source/media_check.h"
#include "inspect/source/newer_states.h"
#include "inspect/source/ovf.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/reading.h"
#include "inspect/source/source.h"
#include "inspect/source/source_name.h"
#include "inspect/source/tar_files.h"
#include "inspect/source/text_machine.h"
#include "inspect/source/xz_file.h"
#include "inspect/source/zip_files.h"

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
    case ContentKind::xz:
      throw Error(
          EOPNOTSUPP,
          "{}: it is compressed, and what it holds is neither a tar archive nor a disk that "
          "is called .gz; unpack it",
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

/// What all readings of a source share.
struct Context {
  const SourceOptions& options;
  std::shared_ptr<const SourceRoots> roots;
  std::shared_ptr<AccessPointCache> places;
  NameLists names = {};
};

/// What opening an archive takes, now and later.
struct Unwrapping {
  std::shared_ptr<AccessPointCache> places;
  UnpackFolder unpack_folder;
  std::function<bool()> stop;
};

/// The archive itself, as its members' offsets count in it.
SourceFile unwrapped(ContentKind kind, SourceFile file, const Unwrapping& unwrapping) {
  const std::string name = file.name() + " (decompressed)";
  if (kind == ContentKind::tar_gzip) {
    return inflated_file({std::move(file)}, name, unwrapping.places);
  }
  if (kind == ContentKind::tar_xz) {
    return xz_file(std::move(file), name, unwrapping.unpack_folder, unwrapping.stop);
  }
  return file;
}

std::shared_ptr<const ArchiveFiles> open_members(const Descriptor& descriptor,
                                                 const Context& context) {
  const FolderFiles folder(descriptor.root, "");
  const auto open = [folder, kind = descriptor.kind, name = descriptor.name,
                     unwrapping = Unwrapping{context.places, context.options.unpack_folder,
                                             context.options.stop}] {
    return unwrapped(kind, folder.open(name), unwrapping);
  };
  if (descriptor.kind == ContentKind::zip) {
    return std::make_shared<const ZipFiles>(open, context.places);
  }
  return std::make_shared<const TarFiles>(open);
}

Contents open_archive(const Descriptor& descriptor, const Context& context) {
  const auto files = open_members(descriptor, context);
  const ArchiveNames& names = files->archive_names();
  if (names.descriptor().empty()) {
    throw Error(EINVAL, "{}: the archive holds no OVF descriptor", clean_text(descriptor.path()));
  }
  const SourceFile file = files->open(names.descriptor());
  return {files, read_text(file), descriptor.path(), names.ignored()};
}

Contents open_contents(const Descriptor& descriptor, const Context& context) {
  if (is_archive(descriptor.kind)) return open_archive(descriptor, context);
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

void read_appliance(Context& context, Reading& reading) {
  const Descriptor& descriptor = reading.descriptor;
  const std::string path = descriptor.path();
  const std::string place = is_archive(descriptor.kind) ? path : std::string(folder_part(path));
  Contents contents = open_contents(descriptor, context);
  OvfEnvelope envelope = parse_ovf(contents.text, contents.name, context.options);
  std::vector<std::string> assumptions;
  const auto files = std::make_shared<const PackedFiles>(contents.files, envelope.packed_files,
                                                         context.places, assumptions);
  reading.appliance = {std::move(envelope.appliance), path};
  for (OvfMachine& machine : envelope.machines) {
    DescribedMachine described{std::move(machine.spec),
                               {machine.unservable_disks.begin(), machine.unservable_disks.end()}};
    FoundMachine found;
    found.spec =
        checked_machine(std::move(described), FileHabit::beside, *files, place, context.names);
    found.spec.source_kind = "ovf";
    for (const std::string& sentence : contents.ignored) {
      ovf::add_note(found.spec.ignored, sentence);
    }
    for (const std::string& sentence : assumptions) {
      ovf::add_note(found.spec.assumptions, sentence);
    }
    found.files = files;
    found.descriptor_path = path;
    reading.machines.push_back(std::move(found));
  }
}

Reading read_descriptor(const Descriptor& descriptor, Context& context) {
  Reading reading{descriptor, {}, {}, {}};
  try {
    if (is_single_machine(descriptor.kind)) {
      reading.machines.push_back(
          read_text_machine(descriptor, context.roots, context.places, context.names));
    } else {
      read_appliance(context, reading);
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
  Context context{options, search.roots,
                  std::make_shared<AccessPointCache>(options.places_folder, options.stop)};
  for (const std::string& uri : uris) {
    for (Reading& reading : read_libvirt_source(uri, search.roots, context.places, context.names)) {
      readings.push_back(std::move(reading));
    }
  }
  for (const Descriptor& descriptor : search.descriptors) {
    readings.push_back(read_descriptor(descriptor, context));
  }
  const auto disks = machineless_disks(search.disks, readings, search.problems);
  readings = without_copies(std::move(readings));
  for (const Descriptor& disk : disks) {
    readings.push_back(read_descriptor(disk, context));
  }
  warn_of_newer_states(readings, search.disks);
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
