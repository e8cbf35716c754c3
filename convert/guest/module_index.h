// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/guest/initrd_image.h"

namespace v2vfs::convert {

/// Modules of one image: what is in it, what comes, and what has to work then.
struct IndexedModules {
  std::string version;                       // the kernel's
  std::vector<UnpackedFile> there;           // modules of the image
  std::vector<UnpackedFile> index;           // its modules.dep and the like, as they lie
  std::map<std::string, std::string> added;  // path below the folder -> content, an ELF file
  std::string order;                         // the guest's modules.order, where the image has none
};

struct ModuleIndex {
  std::string refusal;                       // one sentence; empty: it is good
  std::map<std::string, std::string> files;  // "modules.dep", "modules.dep.bin", ...
};

/// The index of all modules together, by this host's depmod, in a tree of its own below `folder`.
/// An index copied from the guest would name modules as the guest has them, and images hold them
/// decompressed, or all in one folder. Checked by modprobe: what resolved by the image's own index
/// still does, and so does each module that came. Throws Error(ENOPKG) without kmod.
ModuleIndex make_module_index(const IndexedModules& modules, const std::string& folder);

}  // namespace v2vfs::convert
