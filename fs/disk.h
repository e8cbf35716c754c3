// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"
#include "fs/admission.h"
#include "fs/overlay/overlay_store.h"
#include "fs/source_watch.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {

/// Who has a disk open.
struct Holder {
  pid_t pid = 0;
  bool writes = false;
};

/// One disk of one VM: the computed file and, once somebody wrote, the overlay over it. Thread
/// safe.
///
/// Who may do what when: `open_lock_` is held shared by every operation on content and exclusively
/// for the moment in which the overlay is exchanged (it was made, reset, frozen). Reads and writes
/// of content take no other lock here; OverlayStore has its own. Nothing slow is done under it:
/// stat(2) needs it too. Order: making_mutex_, open_lock_, state_mutex_.
class Disk {
 public:
  /// `overlay_folder` may not exist yet; its parent does. Empty: nobody ever writes to the disk.
  Disk(std::string file_name, std::unique_ptr<convert::DiskView> view, Io& io,
       std::string overlay_folder, std::function<std::string()> identity_now);
  /// A disk that cannot be served: every access throws `reason`. A reset drops what is in
  /// `overlay_folder`, for that may be the reason.
  Disk(std::string file_name, Error reason, std::string overlay_folder);

  const std::string& file_name() const { return file_name_; }
  /// Empty if the disk can be served.
  std::string failure() const;

  std::uint64_t bytes() const;
  std::uint64_t allocated_bytes() const;
  std::uint64_t virtual_bytes() const;
  std::uint64_t overlay_bytes() const;
  timespec modified() const;
  /// What a program may remember of it: its size, and how often the cold zone or tail was written.
  Shape shape() const { return {bytes(), cold_changes_}; }
  /// True where a read needs no content of the guest: the cold zone and the tail.
  bool is_cold(std::uint64_t offset, std::uint64_t length) const;
  std::uint64_t cold_end() const { return view_->cold_bytes(); }
  /// Where the tail begins; the largest number once the file has another size than the view.
  std::uint64_t tail_begin() const;

  /// For OPEN. `for_writing` makes the overlay ready, which may take seconds for a disk of
  /// terabytes. Throws ESTALE, EROFS (frozen), EIO. Pairs with remove_holder().
  std::uint64_t add_holder(pid_t pid, bool for_writing);
  void remove_holder(std::uint64_t holder);
  std::vector<Holder> holders() const;

  std::size_t read(std::uint64_t offset, std::span<std::byte> out);
  void write(std::uint64_t offset, std::span<const std::byte> in);
  void punch(std::uint64_t offset, std::uint64_t length);
  void resize(std::uint64_t bytes);
  void barrier();
  /// SEEK_DATA or SEEK_HOLE; ENXIO where there is none.
  std::uint64_t seek(std::uint64_t offset, int whence);
  /// As add_holder() for writing does; for the one who brings a run's writes in.
  void prepare_to_write();
  /// The stretch that `offset` (< bytes()) lies in.
  convert::Stretch stretch_at(std::uint64_t offset);

  /// Giving a disk up in two steps, so that all disks of a VM go or none does. After the first one
  /// nobody gets in any more (ESTALE); it throws EBUSY while somebody is in. The second one drops
  /// what was written; the owner opens the disk anew. A frozen disk is not given up (EROFS).
  void close_door();
  void open_door();
  void drop_overlay();
  /// Every access throws `reason` until it is readmitted: a run's writes are only partly in it.
  void block(const Error& reason);
  void unblock();
  /// Never writable again, durably: the disk has become somebody's backing file. Throws EBUSY while
  /// somebody writes, or why the disk is not served, as check_freezable() does.
  void freeze();
  void check_freezable() const;
  bool frozen() const { return frozen_; }

  /// Throws where it cannot be served, or its source is no longer as it was.
  void check_source();
  /// Why the source could not be looked at when it was last tried; empty: it could.
  std::string trouble() const;

  /// Every access is ESTALE from now on, with this sentence.
  void mark_stale(std::string sentence);
  bool is_stale() const { return is_stale_ || (failure_ && failure_->error_number() == ESTALE); }
  std::string poison() const;

  convert::DiskView* view() { return view_.get(); }

 private:
  class Change;
  void check_servable() const;
  void check_not_frozen() const;
  std::string look_at_source();
  void make_writable();
  void check_tables() const;
  bool has_overlay() const;
  bool touches_cold(std::uint64_t offset, std::uint64_t length) const;
  void touch();

  const std::string file_name_;
  const std::optional<Error> failure_;
  std::shared_ptr<convert::DiskView> view_;
  Io* const io_ = nullptr;
  const std::string overlay_folder_;
  std::unique_ptr<SourceWatch> watch_;

  mutable std::shared_mutex open_lock_;
  std::unique_ptr<OverlayStore> store_;  // guarded by open_lock_
  std::mutex making_mutex_;              // one makes the overlay, or drops it
  std::string tables_digest_;            // guarded by making_mutex_
  std::atomic<bool> frozen_ = false;
  std::atomic<std::int64_t> modified_ns_ = 0;
  std::atomic<std::uint64_t> cold_changes_ = 0;

  mutable std::mutex state_mutex_;
  std::map<std::uint64_t, Holder> holders_;  // guarded by state_mutex_
  std::uint64_t next_holder_ = 1;            // guarded by state_mutex_
  std::string stale_;                        // guarded by state_mutex_
  std::string trouble_;                      // guarded by state_mutex_
  std::optional<Error> blocked_;             // guarded by state_mutex_
  std::atomic<bool> is_stale_ = false, is_blocked_ = false, in_trouble_ = false;
  bool closed_by_door_ = false;  // guarded by state_mutex_
};

}  // namespace v2vfs::fs
