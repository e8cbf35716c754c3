// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inspect/source/content_kind.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/local_files.h"
#include "inspect/source/source.h"

namespace v2vfs::inspect {

/// A file that is a descriptor or holds one.
struct Descriptor {
  std::shared_ptr<const SourceRoot> root;  // nullptr: it is no file
  std::string name;                        // relative to the root; of no file what to call it
  ContentKind kind = ContentKind::other;
  std::string path() const { return root ? root->path() + "/" + name : name; }
};

/// A file that is called like a disk.
struct DiskFile {
  std::shared_ptr<const SourceRoot> root;
  std::string name;  // relative to the root
  std::string path() const { return root->path() + "/" + name; }
};

struct SearchResult {
  std::vector<Descriptor> descriptors;  // sorted by path, each once
  std::vector<DiskFile> disks;          // those of folders; in no order
  std::shared_ptr<const SourceRoots> roots;
  std::vector<Problem> problems;
};

/// Finds the descriptors of SOURCE...: a file is one whatever it is; a folder is searched to a
/// depth of four, at most 20,000 descriptors. In a folder a file counts if it is an OVF, a VMX, a
/// Xen configuration or a libvirt domain, or if it is called .ovf, .ova, .ova.gz or .vmx. Links are
/// followed only on the way to SOURCE. Throws Error if a SOURCE is not there.
SearchResult search_descriptors(const std::vector<std::string>& paths);

}  // namespace v2vfs::inspect
