// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "convert/guest/guest_edit.h"
#include "fs/edit_index.h"
#include "fs/overlay/io.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {

/// What a user changed in the files of one guest and what is not in its disks yet: a state for each
/// path. Kept in a folder of its own:
///
///     index       edit_index.h; what it does not name is not there
///     content-N   the content of one edit, written once, before the index names it
///
/// Whatever is saved is durable when the call returns, and is there wholly or not at all after a
/// crash at any moment: content, fsync, names, then the new index beside the old one, fsync,
/// rename, names. A change of several paths is one such step.
///
/// A run of the appliance takes what waits, and either has applied it or releases it. An edit of a
/// path that a run has taken is another one, which waits for the next run. Thread safe; readers do
/// not wait for writers.
class EditJournal {
 public:
  struct Limits {
    std::size_t edits = 4096;
    std::uint64_t bytes = 256 << 20;   // of all contents together
    std::size_t xattr_bytes = 65'536;  // of one path
  };

  /// The wanted state of a path. Of `entry`, journal and clock fill in what they know better: run,
  /// saved_ns, and `replaced` where an edit of the path is there already.
  struct Change {
    JournalEntry entry;
    /// New content; nullopt: entry.content, which may be that of another path, stays the content.
    std::optional<std::string> content;
  };

  /// `folder` exists. A damaged index is no error here: damage() says it, nothing can be saved, and
  /// discard() makes the journal good again.
  EditJournal(std::string folder, Io& io, Limits limits);
  EditJournal(std::string folder, Io& io) : EditJournal(std::move(folder), io, Limits()) {}

  std::optional<JournalEntry> find(const std::string& path) const;
  /// Directly below a folder of the guest.
  std::vector<JournalEntry> children(const std::string& folder) const;
  std::vector<JournalEntry> all() const;
  /// Of an entry that find() gave and that is still there; else ENOENT. EIO if it is damaged.
  std::string content(const JournalEntry& entry) const;
  /// Paths that were applied lately, oldest first.
  std::vector<std::string> applied() const;
  std::optional<Error> damage() const;
  /// Grows with each change of what find() gives.
  std::uint64_t generation() const;

  /// All or nothing. An absent path that the guest does not have either is forgotten. Throws EFBIG,
  /// ENOSPC (a limit, or the state's disk) and EIO; after the state's disk failed at the wrong
  /// moment, EIO for good.
  void save(std::vector<Change> changes);

  /// `run` > 0 has all that waits now, and what it had already.
  std::vector<convert::GuestEdit> take(std::uint64_t run);
  /// What `run` took is in the disks, durably.
  void applied_by(std::uint64_t run);
  /// It is not, and waits again.
  void release(std::uint64_t run);
  /// The runs that have taken something and have not said what became of it: after a crash.
  std::set<std::uint64_t> open_runs() const;
  /// Forgets all edits. EBUSY while a run has some.
  void discard();

 private:
  void load();
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string content_file(std::uint64_t slot) const;
  EditIndex copy() const;
  void put(EditIndex& index, Change change);
  KeptContent write_content(EditIndex& index, const std::string& content);
  std::uint64_t free_slot() const;
  void check_limits(const EditIndex& index) const;
  void commit(EditIndex index);
  void end_run(std::uint64_t run, EditIndex index);
  void write_file(const std::string& name, std::string_view text);
  void remove_unused();
  std::string read_content(IoFile& file, const KeptContent& kept) const;

  const std::string folder_;
  Io& io_;
  const Limits limits_;

  std::mutex save_mutex_;  // before mutex_; one change at a time
  std::map<std::uint64_t, std::uint64_t>
      held_;                         // guarded by save_mutex_: slot -> run that reads it
  std::set<std::uint64_t> written_;  // guarded by save_mutex_: slots with a file
  std::optional<Error> poison_;      // guarded by save_mutex_
  mutable std::mutex mutex_;
  EditIndex index_;               // guarded by mutex_
  std::optional<Error> damage_;   // guarded by mutex_
  std::uint64_t generation_ = 1;  // guarded by mutex_
};

}  // namespace v2vfs::fs
