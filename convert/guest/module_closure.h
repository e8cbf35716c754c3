// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>
#include <vector>

namespace v2vfs::convert {

/// What depmod left in one kernel's folder of the guest.
struct ModuleTexts {
  std::string dep;      // modules.dep
  std::string softdep;  // modules.softdep
  std::string alias;    // modules.alias
  std::string builtin;  // modules.builtin
};

/// A module that an image is to get.
struct WantedModule {
  std::string name;  // "virtio_blk", with underscores
  std::string path;  // below the modules' folder: "kernel/drivers/block/virtio_blk.ko.xz"
  std::vector<std::string> needs;  // names, as modules.dep has them: what they need too
};

struct ModuleClosure {
  std::vector<WantedModule> modules;  // each after all that it needs
  std::vector<std::string> absent;    // of `wanted`: the kernel has no such driver
};

/// `wanted` (names with underscores) and all that they need, hard (modules.dep) and soft
/// (softdep pre and post, by name or alias), without what is built in or in `present`. A soft
/// dependency that is not there is none. What a guest's texts say is bounded: names are plain,
/// paths relative and without "..", and a cycle ends. Pure.
ModuleClosure module_closure(const ModuleTexts& texts, const std::vector<std::string>& wanted,
                             const std::set<std::string>& present);

}  // namespace v2vfs::convert
