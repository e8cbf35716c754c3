// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "inspect/source/ovf.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The sorted names beside descriptors, listed once for all machines of a folder or archive: a
/// listing for each missing disk would make ten thousand descriptors in one folder take minutes.
class NameLists {
 public:
  /// `place` is the path of the folder or archive that `files` stands for.
  const std::vector<std::string>& of(const std::string& place, const SourceFiles& files);

 private:
  std::map<std::string, std::vector<std::string>> lists_;
};

/// Looks whether the files that a machine names are there, and says in its problems what is not.
/// Takes the spelling of a name that is there ("%20" for a blank; NAME.000 for a snapshot's NAME).
/// A machine none of whose disks can be served gets a problem of Severity::error. Opens files,
/// reads nothing.
/// `place` is as in NameLists.
MachineSpec checked_machine(OvfMachine machine, const SourceFiles& files, const std::string& place,
                            NameLists& names);

}  // namespace v2vfs::inspect
