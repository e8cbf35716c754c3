// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/initrd_archive.h"

namespace v2vfs::convert {

/// The tree that an image unpacks to, as far as names, kinds and links go.
class InitrdTree {
 public:
  /// `targets`: of the symlinks, by name.
  InitrdTree(const std::vector<inspect::InitrdEntry>& entries,
             std::map<std::string, std::string> targets);

  /// The mode of what the name leads to without following a link in its last part; nullopt: it is
  /// not there.
  std::optional<std::uint32_t> mode(const std::string& name) const;
  /// The name with every link in it followed, as far as it is there; nullopt: a loop, or a way out.
  std::optional<std::string> resolve(const std::string& name) const;
  bool is_folder(const std::string& name) const;  // links followed

 private:
  std::map<std::string, std::uint32_t> modes_;
  std::map<std::string, std::string> targets_;
};

/// A file of the image that was unpacked to this host.
struct UnpackedFile {
  std::string path;  // below the modules' folder: "kernel/fs/xfs/xfs.ko.xz", "modules.dep"
  std::string host;  // where its bytes are, as they lie in the image
};

struct InitrdImage {
  inspect::InitrdFacts facts;  // segments, tail, generator, modules (by name, wherever they lie)
  inspect::InitrdArchive archive;  // entries, and in `files` small texts
  InitrdTree tree{{}, {}};
  std::string modules_folder;  // "usr/lib/modules/V" as the image spells it; empty: it has none
  std::vector<UnpackedFile> modules;  // of that folder; links to modules followed
  std::vector<UnpackedFile> index;    // modules.dep, modules.order, ... of it
};

/// Opens an image of the kernel `version` in one pass; modules and index files go to numbered
/// files in `folder`, which exists and is the caller's alone. `names`: small files to keep, by
/// the last part of their names, besides those that inspection keeps. What cannot be read is told
/// in facts.problem. Throws what `read_at` and writing to `folder` throw.
InitrdImage open_initrd_image(std::uint64_t image_bytes, const inspect::ReadAt& read_at,
                              const std::string& version, const std::string& folder,
                              const std::set<std::string>& names);

}  // namespace v2vfs::convert
