// SPDX-License-Identifier: MIT
#include "fs/overlay/staged_disk.h"

#include <cerrno>
#include <utility>

namespace v2vfs::fs {

StagedDisk::StagedDisk(std::shared_ptr<PromotableDisk> over, std::unique_ptr<OverlayStore> store)
    : over_(std::move(over)), store_(std::move(store)), base_bytes_(store_->bytes()) {}

void StagedDisk::check_end(std::uint64_t end) const {
  if (end <= base_bytes_ || over_->may_grow()) return;
  throw Error(EFBIG,
              "the free room inside the disk's file is used up: mount with a larger reserve");
}

void StagedDisk::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  throw Error(error.error_number() == ENOSPC ? EIO : error.error_number(), error.sentence());
}

template <typename Change>
void StagedDisk::change(std::uint64_t end, Change&& change) {
  try {
    check_end(end);
    change();
  } catch (const Error& error) {
    fail(error);
  }
}

void StagedDisk::write(std::uint64_t offset, std::span<const std::byte> in) {
  change(offset + in.size(), [&] { store_->write(offset, in); });
}

void StagedDisk::punch(std::uint64_t offset, std::uint64_t length) {
  change(0, [&] { store_->punch(offset, length); });
}

void StagedDisk::resize(std::uint64_t bytes) {
  change(bytes, [&] {
    if (bytes < store_->bytes()) throw Error(EINVAL, "a run does not make a disk's file smaller");
    store_->resize(bytes);
  });
}

std::optional<Error> StagedDisk::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace v2vfs::fs
