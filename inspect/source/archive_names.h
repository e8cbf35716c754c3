// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What the members of an archive may be called, and which of them is the OVF.
class ArchiveNames {
 public:
  /// The name of a member as SourceFiles have it; empty if it leads outside, which is said in
  /// ignored(). The first that ends in ".ovf" is the descriptor.
  std::string admit(const std::string& name);
  /// "The archive's member NAME is left out: it is WHAT."
  void ignore(std::string_view name, std::string_view what);

  /// The folder within the archive that holds the descriptor: "" or "a/b/".
  const std::string& folder() const { return folder_; }
  /// Relative to it; empty if there is none.
  const std::string& descriptor() const { return descriptor_; }
  /// What was left out, one sentence each.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::string folder_;
  std::string descriptor_;
  std::vector<std::string> ignored_;
};

/// The members of an archive with a machine in it. Names are relative to the folder of the
/// descriptor.
class ArchiveFiles : public SourceFiles {
 public:
  virtual const ArchiveNames& archive_names() const = 0;
};

}  // namespace v2vfs::inspect
