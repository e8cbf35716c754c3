// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "fs/overlay/base_image.h"
#include "fs/overlay/overlay_store.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {

/// A disk as it is: what a run's writes lie over, and the ordinary way by which they become part of
/// it. Thread safe.
class PromotableDisk : public BaseImage {
 public:
  /// [0, cold_end()) and [tail_begin(), bytes()) stay as they are: programs remember them.
  virtual std::uint64_t cold_end() const = 0;
  virtual std::uint64_t tail_begin() const = 0;
  /// It has grown before, so nobody relies on its size any more.
  virtual bool may_grow() const = 0;
  /// What can fail before anything is changed, does. Throws Error.
  virtual void prepare() = 0;
  virtual void write(std::uint64_t offset, std::span<const std::byte> in) = 0;
  virtual void punch(std::uint64_t offset, std::uint64_t length) = 0;
  virtual void barrier() = 0;
};

/// A disk as a run sees it: its own writes over the disk that is there. Thread safe. A write that
/// fails is remembered, whatever the guest's kernel makes of it: such a run is not promoted.
class StagedDisk {
 public:
  StagedDisk(std::shared_ptr<PromotableDisk> over, std::unique_ptr<OverlayStore> store);

  std::uint64_t bytes() const { return store_->bytes(); }
  std::uint64_t allocated_bytes() const { return store_->allocated_bytes(); }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) {
    return store_->read(offset, out);
  }
  BaseImage::Stretch stretch_at(std::uint64_t offset) { return store_->stretch_at(offset); }
  /// Never ENOSPC: qemu would stop the appliance and wait for somebody to make room.
  void write(std::uint64_t offset, std::span<const std::byte> in);
  void punch(std::uint64_t offset, std::uint64_t length);
  /// Grows only, and only what has grown before.
  void resize(std::uint64_t bytes);

  /// The first write that failed.
  std::optional<Error> failure() const;
  OverlayStore& store() { return *store_; }

 private:
  template <typename Change>
  void change(std::uint64_t end, Change&& change);
  void check_end(std::uint64_t end) const;
  [[noreturn]] void fail(const Error& error);

  const std::shared_ptr<PromotableDisk> over_;
  const std::unique_ptr<OverlayStore> store_;
  const std::uint64_t base_bytes_;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
