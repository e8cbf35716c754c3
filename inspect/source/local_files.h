// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/folder_files.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// The folders that the user named as SOURCE: below them lies everything that may be opened.
using SourceRoots = std::vector<std::shared_ptr<const SourceRoot>>;

/// The files that a description on a host may name (VMX, Xen, libvirt): relative to its folder,
/// also "../other/x.vmdk" (VMware's linked clones), and absolute ones, as long as they lie below a
/// folder that the user named. "." and ".." are taken out before anything is opened, and links are
/// never followed. Thread safe.
class LocalFiles : public SourceFiles {
 public:
  /// `own` is the root with the description, whose folder below it is `folder` ("" or "a/b/");
  /// nullptr: the description is no file, and every name has to be absolute.
  LocalFiles(std::shared_ptr<const SourceRoot> own, std::string folder,
             std::shared_ptr<const SourceRoots> roots);

  SourceFile open(std::string_view name) const override;
  /// Of the description's own folder.
  std::vector<std::string> names() const override;

  std::optional<std::string> path_of(std::string_view name) const override;

 private:
  struct Place {
    std::shared_ptr<const SourceRoot> root;
    std::string name;  // relative to the root, without "." and ".."
  };
  Place place_of(std::string_view name) const;

  std::shared_ptr<const SourceRoot> own_;
  std::string folder_;
  std::shared_ptr<const SourceRoots> roots_;
};

}  // namespace v2vfs::inspect
