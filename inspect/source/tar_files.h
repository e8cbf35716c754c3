// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "inspect/source/archive_names.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The members of an OVA (DSP0243 5.3: a tar archive), read in place: a member is a range of the
/// archive, which may itself be what a compressed file holds. Only regular files count; links,
/// devices, sparse members and names that lead outside are left out and said. The archive is not
/// kept open between calls. Thread safe.
class TarFiles : public ArchiveFiles {
 public:
  using OpenArchive = std::function<SourceFile()>;

  /// Reads all headers. Throws Error(EIO) with the offset if the archive lies: a checksum or a size
  /// that is wrong, two members of one name, more than 10,000 members.
  explicit TarFiles(OpenArchive open_archive);

  /// Names are relative to the folder in the archive that holds the descriptor. Throws Error:
  /// ENOENT, EACCES (a name that leads outside), EIO (the archive ends within the member), ESTALE
  /// (the archive is another one than it was).
  SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override;
  const ArchiveNames& archive_names() const override { return archive_names_; }

 private:
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  friend class TarScan;

  OpenArchive open_archive_;
  SourceFile::HostStat stat_;
  std::map<std::string, Range, std::less<>> members_;
  ArchiveNames archive_names_;
};

}  // namespace v2vfs::inspect
