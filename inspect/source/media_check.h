// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/described_machine.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The sorted names beside descriptors, listed once for all machines of a folder or archive: a
/// listing for each missing disk would make ten thousand descriptors in one folder take minutes.
class NameLists {
 public:
  /// `place` is the path of the folder or archive that `files` stands for.
  const std::vector<std::string>& of(const std::string& place, const SourceFiles& files);
  /// The name there that is `name` but for upper and lower case; the first of several; nullptr if
  /// there is none.
  const std::string* ignoring_case(const std::string& place, const SourceFiles& files,
                                   std::string_view name);

 private:
  using ByLowerCase = std::map<std::string, std::string>;

  std::map<std::string, std::vector<std::string>> lists_;
  std::map<std::string, ByLowerCase> by_lower_case_;
};

/// Where the files of a description may be other than where it says.
enum class FileHabit {
  beside,  // OVF: the names are right, or spelled with "%20", or NAME.000 stands for NAME
  moved,   // others: the machine was copied from another host, and its paths with it
};

/// Looks whether the files that a machine names are there, and says in its problems what is not.
/// Takes another name for one that is there, and says so: another spelling, NAME.gz, or, if files
/// may have moved, a file of the same name beside the description or in the folder of the same name
/// beside its folder. A machine none of whose disks can be served gets a problem of
/// Severity::error. Opens files, reads nothing. `place` is as in NameLists.
MachineSpec checked_machine(DescribedMachine machine, FileHabit habit, const SourceFiles& files,
                            const std::string& place, NameLists& names);

}  // namespace v2vfs::inspect
