// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "fs/overlay/base_image.h"

namespace v2vfs::fs {

class Io;  // fs/overlay/io.h: every system call of the store goes through it

/// What the store keeps about the disk it belongs to; written to `head`; who opens
/// a store compares it (identity()).
struct OverlayIdentity {
  std::string source_identity;  // DiskView::source_identity()
  std::string layout_record;    // DiskView::layout_record()
  std::string tables_digest;    // DiskView::tables_digest()
};

/// bytes(disk.qcow2) = written blocks, else the base image. One per disk; its folder holds head,
/// data, map, journal, live (format version 1, FORMAT.md). Thread safe.
///
/// A write is acknowledged when write() returns: from then on it survives the death of the process;
/// it survives a power cut once a later barrier() has returned. See the ordering rules R1-R9 in
/// ARCHITECTURE.md; each is named where it is kept.
class OverlayStore {
 public:
  /// Opens the store in `folder`, running recovery; nullptr if there is none yet.
  static std::unique_ptr<OverlayStore> open(Io& io, const std::string& folder,
                                            std::shared_ptr<BaseImage> base);
  /// Makes an empty store. `folder` exists and holds none.
  static std::unique_ptr<OverlayStore> create(Io& io, const std::string& folder,
                                              std::shared_ptr<BaseImage> base,
                                              const OverlayIdentity& identity);
  /// The identity in a folder's head without opening the store; nullopt if there is none.
  static std::optional<OverlayIdentity> identity(Io& io, const std::string& folder);

  virtual ~OverlayStore() = default;

  virtual std::uint64_t bytes() const = 0;            // st_size
  virtual std::uint64_t allocated_bytes() const = 0;  // of the whole file, for st_blocks
  virtual std::uint64_t overlay_bytes() const = 0;    // of written blocks alone

  /// Short only at the end of the file.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> out) = 0;
  /// Extends the file if it must. Throws Error; ENOSPC as it comes, EIO once poisoned.
  virtual void write(std::uint64_t offset, std::span<const std::byte> in) = 0;
  /// Reads as zeros afterwards; does not extend.
  virtual void punch(std::uint64_t offset, std::uint64_t length) = 0;
  virtual void resize(std::uint64_t bytes) = 0;
  /// All that was acknowledged before the call is durable afterwards.
  virtual void barrier() = 0;
  virtual BaseImage::Stretch stretch_at(std::uint64_t offset) = 0;
  /// The first stretch at or behind `offset` that was written, cut at the end of the file.
  struct Written {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool is_hole = false;
  };
  virtual std::optional<Written> next_written(std::uint64_t offset) = 0;

  /// The reason, once the disk failed to keep what it promised; empty if all is well.
  virtual std::string poison() const = 0;
  virtual std::uint64_t generation() const = 0;
};

}  // namespace v2vfs::fs
