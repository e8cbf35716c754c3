// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "convert/disk/disk_layer.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// What a delta says of the disk that it is a delta to.
struct ParentLink {
  std::string hint;       // where it was, as the child's writer saw it; may be empty
  std::uint32_t cid = 0;  // its content id when the child was made
};

/// One VMDK: itself, without its parents.
struct VmdkImage {
  Layer layer;
  std::uint32_t cid = 0;
  std::uint64_t sectors = 0;         // as its descriptor says
  std::optional<ParentLink> parent;  // of a delta
};

/// A file that begins with the header of a hosted sparse extent, its descriptor within.
VmdkImage open_sparse_vmdk(inspect::SourceFile file);
/// A file that is a descriptor, called `path` in `files`, and the extents beside it.
VmdkImage open_described_vmdk(const inspect::SourceFiles& files, const std::string& path,
                              const inspect::SourceFile& file);
// Both read headers, directories and descriptors. They throw Error with file and offset: ENOENT for
// an extent that is not there, EACCES for one whose name leads elsewhere, EIO for damage,
// EOPNOTSUPP for what is not served.

/// `name` in the folder of `path`: "sub/x.vmdk", "x-flat.vmdk" -> "sub/x-flat.vmdk".
std::string beside(const std::string& path, const std::string& name);

}  // namespace v2vfs::convert
