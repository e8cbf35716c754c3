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
#include "convert/disk/image_source.h"
#include "convert/disk/sparse_extent.h"
#include "convert/disk/vmdk_descriptor.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// A part of the guest's disk, and the file that has it.
struct Extent {
  ExtentType type = ExtentType::zero;
  std::uint64_t guest_offset = 0;
  std::uint64_t bytes = 0;                                 // of the guest
  std::optional<inspect::SourceFile> file = std::nullopt;  // none of zeros, and of what is barred
  std::uint64_t file_offset = 0;                           // flat: where the guest's bytes begin
  std::unique_ptr<SparseExtent> sparse = nullptr;          // of all sparse types
  std::unique_ptr<ImageSource> image = nullptr;            // flat, without a file
};

/// One image of a disk: the disk itself, or one link of a chain of deltas. Its extents lie one
/// behind the other. Movable while it is built; thread safe once scanned.
class Layer {
 public:
  /// `name` is what messages call it.
  explicit Layer(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  std::uint64_t bytes() const { return bytes_; }
  const std::vector<Extent>& extents() const { return extents_; }
  std::vector<Extent>& extents() { return extents_; }
  const std::vector<inspect::SourceFile>& files() const { return files_; }
  const std::vector<std::string>& assumptions() const { return assumptions_; }

  /// Behind those that are there. Throws Error(EOPNOTSUPP) where the disk becomes too large.
  void add(Extent extent);
  /// A file that the image has besides its extents' ones.
  void add_file(inspect::SourceFile file) { files_.push_back(std::move(file)); }
  /// A reading that was a guess, as a sentence.
  void assume(std::string sentence) { assumptions_.push_back(std::move(sentence)); }
  /// Once all extents are there: sectors of 512 bytes are all that a guest can see; the rest of an
  /// odd last one is zeros.
  void pad();
  /// What the image is besides its extents goes into its identity; before scan().
  Digest& digest() { return digest_; }
  /// Reads the tables of all extents, once, and a sample of the flat ones.
  void scan(bool want_starts);
  /// Of sizes, heads and tables; ends the digest.
  std::string identity() { return digest_.hex(); }

  /// The extent that holds the guest's byte `offset` (< bytes()).
  const Extent& extent_at(std::uint64_t offset) const;
  /// The guest's bytes, absent ones as zeros; the range lies inside. Throws Error(EIO).
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// Whether this image says anything of the guest's bytes from `offset` on; looks no further than
  /// `limit`. Flat extents are data throughout, with holes or without.
  Piece piece_at(std::uint64_t offset, std::uint64_t limit) const;
  /// Zeros or not. As everywhere, the next stretch may be of the same kind.
  Stretch stretch_at(std::uint64_t offset) const;

 private:
  void read_flat(const Extent& extent, std::uint64_t within, std::span<std::byte> out) const;
  void scan_file(Extent& extent, bool want_starts);

  std::string name_;
  std::uint64_t bytes_ = 0;
  std::vector<Extent> extents_;
  std::vector<inspect::SourceFile> files_;
  std::vector<std::string> assumptions_;
  Digest digest_;
};

}  // namespace v2vfs::convert
