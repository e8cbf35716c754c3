// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_layer.h"
#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// The guest's disk as the source's files hold it: one image, or a chain of them of which the
/// topmost that says anything of a place is right. Thread safe once opened.
class DiskSource {
 public:
  /// Opens the chain (open_layers) and reads all tables. `want_starts`: keep where the grains lie,
  /// for a layout that serves them in place.
  DiskSource(const inspect::SourceFiles& files, const inspect::DiskSpec& spec, bool want_starts);

  std::uint64_t bytes() const { return layers_.front().bytes(); }
  /// The topmost first; never empty.
  const std::vector<Layer>& layers() const { return layers_; }
  /// The extents of all layers, in the order of the layers.
  const std::vector<Extent*>& extents() const { return extents_; }
  const std::vector<inspect::SourceFile>& files() const { return files_; }
  const std::string& identity() const { return identity_; }
  const std::vector<std::string>& assumptions() const { return assumptions_; }
  /// For messages.
  const std::string& name() const { return layers_.front().name(); }

  /// The guest's bytes; the range lies inside. Throws Error(EIO).
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// Of the guest's bytes; the next stretch may be of the same kind.
  Stretch stretch_at(std::uint64_t offset) const;

 private:
  struct Place {
    const Layer* layer = nullptr;  // none: zeros
    std::uint64_t end = 0;
  };
  Place place_of(std::uint64_t offset, std::uint64_t limit) const;

  std::vector<Layer> layers_;
  std::vector<Extent*> extents_;
  std::vector<inspect::SourceFile> files_;
  std::vector<std::string> assumptions_;
  std::string identity_;
};

}  // namespace v2vfs::convert
