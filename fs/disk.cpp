// SPDX-License-Identifier: MIT
#include "fs/disk.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "fs/durable_file.h"
#include "fs/overlay/io.h"
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

/// The head goes first: without it there is no overlay, whatever else a crash leaves behind.
void remove_overlay(const std::string& folder) {
  if (!std::filesystem::exists(folder)) return;
  remove_durably(folder, "head");
  remove_folder(folder);
}

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
  if (overlay_folder_.empty()) return;
  store_ = OverlayStore::open(*io_, overlay_folder_, std::make_shared<ViewBase>(view_));
  if (store_) {
    frozen_ = read_small_file(overlay_folder_, kFrozenMark).has_value();
    touch();
  }
}

Disk::Disk(std::string file_name, Error reason, std::string overlay_folder)
    : file_name_(std::move(file_name)),
      failure_(std::move(reason)),
      overlay_folder_(std::move(overlay_folder)) {}

std::string Disk::failure() const {
  if (failure_) return failure_->sentence();
  const std::lock_guard lock(state_mutex_);
  return blocked_ ? blocked_->sentence() : stale_;
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
  if (offset + length <= view_->cold_bytes()) return true;
  // In a file that has grown, what was the tail is in the middle and in use.
  const std::uint64_t end = view_->file_bytes();
  return offset >= end - view_->tail_bytes() && bytes() == end;
}

std::uint64_t Disk::tail_begin() const {
  const std::uint64_t end = view_->file_bytes();
  return bytes() == end ? end - view_->tail_bytes() : UINT64_MAX;
}

void Disk::check_servable() const {
  if (failure_) throw *failure_;
  if (is_blocked_) {
    const std::lock_guard lock(state_mutex_);
    if (blocked_) throw *blocked_;
  }
  if (is_stale_) {
    const std::lock_guard lock(state_mutex_);
    throw Error(ESTALE, stale_);
  }
}

void Disk::check_not_frozen() const {
  if (!frozen_) return;
  throw Error(EROFS, fmt::format("{} was frozen with ctl freeze, because other disks are built on "
                                 "it: it is never written to again",
                                 file_name_));
}

void Disk::check_source() {
  check_servable();
  if (const std::string change = look_at_source(); !change.empty()) {
    mark_stale(change +
               ". Put the source back as it was and mount it again, or write reset to ctl");
    check_servable();
  }
}

/// What changed. That nobody could look is remembered for status.json, until somebody can.
std::string Disk::look_at_source() try {
  std::string change = watch_->look();
  if (in_trouble_ && in_trouble_.exchange(false)) {
    const std::lock_guard lock(state_mutex_);
    trouble_.clear();
  }
  return change;
} catch (const Error& e) {
  const std::lock_guard lock(state_mutex_);
  trouble_ = e.sentence();
  in_trouble_ = true;
  throw;
}

std::string Disk::trouble() const {
  const std::lock_guard lock(state_mutex_);
  return trouble_;
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
    check_not_frozen();
    make_writable();
  }
  const std::lock_guard lock(state_mutex_);
  if (is_stale_) throw Error(ESTALE, stale_);
  if (for_writing) check_not_frozen();  // again: freeze() may have come in between
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

bool Disk::touches_cold(std::uint64_t offset, std::uint64_t length) const {
  return offset < view_->cold_bytes() ||
         offset + length > view_->file_bytes() - view_->tail_bytes();
}

/// A change that failed half-way may have changed something too. One of the cold zone is counted
/// before and after, so that nobody who read the old bytes meanwhile goes unnoticed.
class Disk::Change {
 public:
  explicit Change(Disk& disk, bool cold = false) : disk_(disk), cold_(cold) {
    disk_.cold_changes_ += cold_;
  }
  ~Change() {
    disk_.cold_changes_ += cold_;
    disk_.touch();
  }
  Change(const Change&) = delete;

 private:
  Disk& disk_;
  const bool cold_;
};

void Disk::write(std::uint64_t offset, std::span<const std::byte> in) {
  check_source();
  const bool cold = touches_cold(offset, in.size());
  const std::shared_lock lock(open_lock_);
  const Change change(*this, cold);
  store_->write(offset, in);
}

void Disk::punch(std::uint64_t offset, std::uint64_t length) {
  check_source();
  const bool cold = touches_cold(offset, length);
  const std::shared_lock lock(open_lock_);
  const Change change(*this, cold);
  store_->punch(offset, length);
}

/// truncate(2) comes without a handle, so nobody is kept from resetting or freezing the disk: both
/// are looked for again under the lock that they need.
void Disk::resize(std::uint64_t bytes) {
  prepare_to_write();
  const std::shared_lock lock(open_lock_);
  check_servable();
  check_not_frozen();
  const Change change(*this);
  store_->resize(bytes);
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

bool Disk::has_overlay() const {
  const std::shared_lock lock(open_lock_);
  return store_ != nullptr;
}

std::uint64_t Disk::seek(std::uint64_t offset, int whence) {
  const std::uint64_t size = bytes();
  if (offset >= size) throw Error(ENXIO, "there is neither data nor hole past the end");
  const bool want_hole = whence == SEEK_HOLE;
  while (offset < size) {
    const convert::Stretch stretch = stretch_at(offset);
    if (stretch.is_hole == want_hole) return offset;
    offset = stretch.end;
  }
  if (want_hole) return size;
  throw Error(ENXIO, "there is no more data");
}

/// What is slow, the digest and the making of an overlay for a disk of terabytes, holds up those
/// who want to write, and nobody else. A door that was closed meanwhile is seen before anything is
/// made; one that closes later waits for us, and drops what we made.
void Disk::make_writable() {
  const std::lock_guard one_at_a_time(making_mutex_);
  check_servable();
  if (tables_digest_.empty()) tables_digest_ = view_->tables_digest();
  if (has_overlay()) return check_tables();
  io_->make_folder(overlay_folder_);
  auto made =
      OverlayStore::create(*io_, overlay_folder_, std::make_shared<ViewBase>(view_),
                           {view_->source_identity(), view_->layout_record(), tables_digest_});
  const std::unique_lock lock(open_lock_);
  store_ = std::move(made);
}

void Disk::check_tables() const {
  const std::optional<OverlayIdentity> kept = OverlayStore::identity(*io_, overlay_folder_);
  if (kept && kept->tables_digest == tables_digest_) return;
  throw Error(EIO, fmt::format("{}: its tables are computed other than when it was first written "
                               "to; nothing is written, so that nothing is mixed. Mount it with "
                               "the v2vfs that wrote it",
                               file_name_));
}

void Disk::close_door() {
  check_not_frozen();
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
  const std::lock_guard one_at_a_time(making_mutex_);
  {
    const std::unique_lock lock(open_lock_);
    store_.reset();
  }
  if (!overlay_folder_.empty()) remove_overlay(overlay_folder_);
}

void Disk::check_freezable() const {
  check_servable();
  for (const Holder& holder : holders()) {
    if (!holder.writes) continue;
    throw Error(EBUSY, fmt::format("{} is open for writing by process {}", file_name_, holder.pid));
  }
}

void Disk::freeze() {
  check_freezable();
  make_writable();
  {
    const std::unique_lock lock(open_lock_);  // no truncate(2) is under way
    frozen_ = true;
  }
  try {
    check_freezable();  // and from now on nobody becomes one
    barrier();
    write_durably(overlay_folder_, kFrozenMark, "frozen\n");
  } catch (const Error&) {
    frozen_ = false;
    throw;
  }
}

void Disk::prepare_to_write() {
  check_source();
  check_not_frozen();
  make_writable();
}

void Disk::block(const Error& reason) {
  const std::lock_guard lock(state_mutex_);
  blocked_ = reason;
  is_blocked_ = true;
}

void Disk::unblock() {
  const std::lock_guard lock(state_mutex_);
  blocked_.reset();
  is_blocked_ = false;
}

std::string Disk::poison() const {
  const std::shared_lock lock(open_lock_);
  return store_ ? store_->poison() : "";
}

void Disk::touch() { modified_ns_ = wall_clock_ns(); }

}  // namespace v2vfs::fs
