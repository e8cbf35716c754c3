// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// A machine with the files it may use. A machine that cannot be used is here too, with the reason
/// in spec.problems.
struct FoundMachine {
  MachineSpec spec;
  std::shared_ptr<const SourceFiles> files;
  std::string descriptor_path;  // absolute path of the .ovf, .vmx, ..., a hint and for messages
  std::string folder;           // its name in the mount: safe_component(name), made unique, stable
};

struct FoundAppliance {
  ApplianceSpec spec;
  std::string descriptor_path;
};

struct FoundSource {
  std::vector<FoundMachine> machines;      // sorted by folder
  std::vector<FoundAppliance> appliances;  // one for each OVF
  std::vector<Problem> problems;           // of descriptors that gave no machine
};

struct SourceOptions {
  std::string ovf_configuration;  // DeploymentOptionSection id; empty: the default one
  /// Where the places found in compressed files are kept between mounts; made when needed. Empty:
  /// in memory only.
  std::string places_folder = {};
  /// Asked, from any thread, while a compressed file is read to its end: true ends that.
  std::function<bool()> stop = {};
  /// Where an archive is unpacked to in which nothing can be found otherwise (unpacked_file.h); it
  /// is given the archive's key and name. Empty: such an archive is refused.
  std::function<std::string(const std::string& key, const std::string& archive)> unpack_folder = {};
};

/// True for "libvirt+qemu:///system" and the like, which is no path.
bool is_libvirt_uri(std::string_view path);

/// Reads SOURCE...: a libvirt URI behind "libvirt+", an .ova, .ovf or .vmx, a Xen configuration, a
/// libvirt domain, a disk, or a folder of them (links on the way to SOURCE itself are followed).
/// Files that a description names by an absolute path are used if they lie below one of the folders
/// in `paths`. Opens read-only, writes nothing. Throws Error if nothing at all could be read; a
/// single bad descriptor among others is a problem in the result.
FoundSource find_machines(const std::vector<std::string>& paths, const SourceOptions& options);

}  // namespace v2vfs::inspect
