// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "inspect/source/access_point_cache.h"
#include "inspect/source/archive_names.h"
#include "inspect/source/zip_directory.h"

namespace v2vfs::inspect {

/// The members of a zip archive: stored ones are read in place, deflated ones as any compressed
/// file (inflated_file.h). Only regular files count; links, encrypted members, members of other
/// methods and names that lead outside are left out and said. Thread safe.
class ZipFiles : public ArchiveFiles {
 public:
  using OpenArchive = std::function<SourceFile()>;

  /// Reads the directory. Throws Error(EIO) if the archive lies, or is none; two members of one
  /// name are such a lie.
  ZipFiles(OpenArchive open_archive, std::shared_ptr<AccessPointCache> cache);

  /// Throws Error: ENOENT, EACCES, EIO, ESTALE, as TarFiles.
  SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override;
  const ArchiveNames& archive_names() const override { return archive_names_; }

 private:
  void keep_or_ignore(ZipMember member);

  OpenArchive open_archive_;
  std::shared_ptr<AccessPointCache> cache_;
  SourceFile::HostStat stat_;
  std::map<std::string, ZipMember, std::less<>> members_;
  ArchiveNames archive_names_;
};

}  // namespace v2vfs::inspect
