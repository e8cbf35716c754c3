// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"
#include "convert/disk/sparse_extent.h"
#include "convert/disk/vmdk_descriptor.h"
#include "inspect/model.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// A part of the guest's disk, and the file that has it.
struct Extent {
  ExtentType type = ExtentType::zero;
  std::uint64_t guest_offset = 0;
  std::uint64_t bytes = 0;                                 // of the guest
  std::optional<inspect::SourceFile> file = std::nullopt;  // sparse and flat
  std::uint64_t file_offset = 0;                           // flat: where the guest's bytes begin
  std::unique_ptr<SparseExtent> sparse = nullptr;          // sparse
};

/// The guest's disk as the source's files hold it. Thread safe once opened.
class DiskSource {
 public:
  /// Finds out what the file is (see open_disk), opens its extents and reads all tables.
  /// `want_starts`: keep where the grains lie, for a layout that serves them in place.
  DiskSource(const inspect::SourceFiles& files, const inspect::DiskSpec& spec, bool want_starts);

  std::uint64_t bytes() const { return bytes_; }
  const std::vector<Extent>& extents() const { return extents_; }
  std::vector<Extent>& extents() { return extents_; }
  const std::vector<inspect::SourceFile>& files() const { return files_; }
  const std::string& identity() const { return identity_; }

  /// The extent that holds the guest's byte `offset` (< bytes()).
  const Extent& extent_at(std::uint64_t offset) const;

  /// The guest's bytes; the range lies inside. Throws Error(EIO).
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// Of the guest's bytes; the next stretch may be of the same kind.
  Stretch stretch_at(std::uint64_t offset) const;

 private:
  void open_sparse(inspect::SourceFile file);
  void open_descriptor(const inspect::SourceFiles& files, const std::string& path,
                       const inspect::SourceFile& file);
  void open_listed(const inspect::SourceFiles& files, const std::string& path,
                   const ExtentLine& line);
  void add_raw(inspect::SourceFile file);
  void add(Extent extent);
  void describe(const VmdkDescriptor& descriptor);
  void scan(bool want_starts);

  std::uint64_t bytes_ = 0;
  std::vector<Extent> extents_;
  std::vector<inspect::SourceFile> files_;
  Digest digest_;
  std::string identity_;
};

}  // namespace v2vfs::convert
