// SPDX-License-Identifier: MIT
#include "fs/disk.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "fs/durable_file.h"
#include "inspect/base/checked.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kFrozenMark = "frozen";

/// The computed file as the overlay's base.
class ViewBase : public BaseImage {
 public:
  explicit ViewBase(std::shared_ptr<convert::DiskView> view) : view_(std::move(view)) {}
  std::uint64_t bytes() const override { return view_->file_bytes(); }
  void read(std::uint64_t offset, std::span<std::byte> out) override { view_->read(offset, out); }
  Stretch stretch_at(std::uint64_t offset) override {
    const convert::Stretch stretch = view_->stretch_at(offset);
    return {stretch.end, stretch.is_hole};
  }

 private:
  std::shared_ptr<convert::DiskView> view_;
};

std::int64_t wall_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

Disk::Disk(std::string file_name, std::unique_ptr<convert::DiskView> view, Io& io,
           std::string overlay_folder, std::function<std::string()> identity_now)
    : file_name_(std::move(file_name)),
      view_(std::move(view)),
      io_(&io),
      overlay_folder_(std::move(overlay_folder)),
      watch_(std::make_unique<SourceWatch>(view_->source_files(), view_->source_identity(),
                                           std::move(identity_now))) {
  for (const inspect::SourceFile& file : view_->source_files()) {
    modified_ns_ = std::max(modified_ns_.load(), file.host_stat().mtime_ns);
  }
  store_ = OverlayStore::open(*io_, overlay_folder_, std::make_shared<ViewBase>(view_));
  if (store_) {
    frozen_ = read_small_file(overlay_folder_, kFrozenMark).has_value();
    touch();
  }
}

Disk::Disk(std::string file_name, Error reason)
    : file_name_(std::move(file_name)), failure_(std::move(reason)) {}

std::string Disk::failure() const {
  if (failure_) return failure_->sentence();
  const std::lock_guard lock(state_mutex_);
  return stale_;
}

std::uint64_t Disk::bytes() const {
  if (failure_) return 0;
  const std::shared_lock lock(open_lock_);
  return store_ ? store_->bytes() : view_->file_bytes();
}

std::uint64_t Disk::allocated_bytes() const {
  if (failure_) return 0;
  const std::shared_lock lock(open_lock_);
  return store_ ? store_->allocated_bytes() : view_->allocated_bytes();
}

std::uint64_t Disk::virtual_bytes() const { return failure_ ? 0 : view_->virtual_bytes(); }

std::uint64_t Disk::overlay_bytes() const {
  const std::shared_lock lock(open_lock_);
  return store_ ? store_->overlay_bytes() : 0;
}

timespec Disk::modified() const {
  const std::int64_t ns = modified_ns_;
  return {ns / 1'000'000'000, ns % 1'000'000'000};
}

bool Disk::is_cold(std::uint64_t offset, std::uint64_t length) const {
  if (!view_) return false;
  const std::uint64_t end = offset + length;
  return end <= view_->cold_bytes() || offset >= view_->file_bytes() - view_->tail_bytes();
}

void Disk::check_servable() const {
  if (failure_) throw *failure_;
  if (is_stale_) {
    const std::lock_guard lock(state_mutex_);
    throw Error(ESTALE, stale_);
  }
}

void Disk::check_source() {
  check_servable();
  if (const std::string change = watch_->look(); !change.empty()) {
    mark_stale(change + ". Put the source back as it was, or write reset to ctl");
    check_servable();
  }
}

void Disk::mark_stale(std::string sentence) {
  log::error("{}: {}", file_name_, sentence);
  const std::lock_guard lock(state_mutex_);
  stale_ = std::move(sentence);
  is_stale_ = true;
}

std::uint64_t Disk::add_holder(pid_t pid, bool for_writing) {
  check_source();
  if (for_writing) {
    if (frozen_) {
      throw Error(EROFS, fmt::format("{} was frozen with ctl freeze, because other disks are "
                                     "built on it: it is never written to again",
                                     file_name_));
    }
    make_writable();
  }
  const std::lock_guard lock(state_mutex_);
  if (is_stale_) throw Error(ESTALE, stale_);
  holders_[next_holder_] = {pid, for_writing};
  return next_holder_++;
}

void Disk::remove_holder(std::uint64_t holder) {
  const std::lock_guard lock(state_mutex_);
  holders_.erase(holder);
}

std::vector<Holder> Disk::holders() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<Holder> all;
  for (const auto& [id, holder] : holders_) all.push_back(holder);
  return all;
}

std::size_t Disk::read(std::uint64_t offset, std::span<std::byte> out) {
  check_source();
  const std::shared_lock lock(open_lock_);
  if (store_) return store_->read(offset, out);
  const std::uint64_t end = view_->file_bytes();
  if (offset >= end) return 0;
  out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), end - offset)));
  view_->read(offset, out);
  return out.size();
}

void Disk::write(std::uint64_t offset, std::span<const std::byte> in) {
  check_source();
  const std::shared_lock lock(open_lock_);
  store_->write(offset, in);
  touch();
}

void Disk::punch(std::uint64_t offset, std::uint64_t length) {
  check_source();
  const std::shared_lock lock(open_lock_);
  store_->punch(offset, length);
  touch();
}

void Disk::resize(std::uint64_t bytes) {
  check_source();
  if (frozen_) throw Error(EROFS, file_name_ + " is frozen");
  make_writable();
  const std::shared_lock lock(open_lock_);
  store_->resize(bytes);
  touch();
}

void Disk::barrier() {
  const std::shared_lock lock(open_lock_);
  if (store_) store_->barrier();
}

convert::Stretch Disk::stretch_at(std::uint64_t offset) {
  check_servable();
  const std::shared_lock lock(open_lock_);
  if (!store_) return view_->stretch_at(offset);
  const BaseImage::Stretch stretch = store_->stretch_at(offset);
  return {stretch.end, stretch.is_hole};
}

std::string Disk::tables_digest() {
  const std::lock_guard lock(digest_mutex_);
  if (tables_digest_.empty()) tables_digest_ = view_->tables_digest();
  return tables_digest_;
}

/// The digest takes seconds for a disk of terabytes: nobody else is held up meanwhile.
void Disk::make_writable() {
  const std::string digest = tables_digest();
  const std::unique_lock lock(open_lock_);
  if (!store_) {
    make_private_folder(overlay_folder_);
    store_ = OverlayStore::create(*io_, overlay_folder_, std::make_shared<ViewBase>(view_),
                                  {view_->source_identity(), view_->layout_record(), digest});
    return;
  }
  const std::optional<OverlayIdentity> kept = OverlayStore::identity(*io_, overlay_folder_);
  if (!kept || kept->tables_digest != digest) {
    throw Error(EIO, fmt::format("{}: its tables are computed other than when it was first written "
                                 "to; nothing is written, so that nothing is mixed. Mount it with "
                                 "the v2vfs that wrote it",
                                 file_name_));
  }
}

void Disk::close_door() {
  const std::lock_guard lock(state_mutex_);
  if (!holders_.empty()) {
    throw Error(EBUSY, fmt::format("{} is open by process {}; close it and try again", file_name_,
                                   holders_.begin()->second.pid));
  }
  if (is_stale_) return;
  stale_ = file_name_ + " was reset; open it again";
  is_stale_ = closed_by_door_ = true;
}

void Disk::open_door() {
  const std::lock_guard lock(state_mutex_);
  if (!closed_by_door_) return;
  stale_.clear();
  is_stale_ = closed_by_door_ = false;
}

void Disk::drop_overlay() {
  const std::unique_lock lock(open_lock_);
  store_.reset();
  if (!overlay_folder_.empty()) remove_folder(overlay_folder_);
}

void Disk::freeze() {
  for (const Holder& holder : holders()) {
    if (holder.writes) {
      throw Error(EBUSY,
                  fmt::format("{} is open for writing by process {}", file_name_, holder.pid));
    }
  }
  make_writable();
  frozen_ = true;
  barrier();
  write_durably(overlay_folder_, kFrozenMark, "frozen\n");
}

std::string Disk::poison() const {
  const std::shared_lock lock(open_lock_);
  return store_ ? store_->poison() : "";
}

void Disk::touch() { modified_ns_ = wall_clock_ns(); }

}  // namespace v2vfs::fs
