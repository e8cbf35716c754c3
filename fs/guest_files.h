// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "fs/edit_journal.h"
#include "fs/gate.h"
#include "fs/guest_cache.h"
#include "fs/guest_view.h"
#include "fs/work_queue.h"

namespace v2vfs::fs {

/// A guest whose tree is mounted, read-only, as long as this lives.
class MountedGuest {
 public:
  virtual ~MountedGuest() = default;
  virtual inspect::Guest& guest() = 0;
  /// When it was opened no filesystem of it was left as if it ran.
  virtual bool shut_down() const = 0;
  /// What a conversion will make of it; null: none is to come.
  virtual std::shared_ptr<const PlannedFiles> planned() const { return nullptr; }
};

/// The files of one VM's guest: the view, what is known of the disks, and the work that asks the
/// guest. Whoever needs what is not known gets NotYet; the questions of all are asked, one after
/// the other, by a job of the slow work, which keeps the guest open while questions come and gives
/// it back when they cease, or after a while so that others have their turn. Thread safe.
class GuestFiles {
 public:
  /// Returns when the guest can be read, which may take minutes; throws soon when `stop` is
  /// requested. `changes` as Gate::changes(): with another number it is another guest.
  using Open = std::function<std::unique_ptr<MountedGuest>(std::uint64_t changes,
                                                           const std::stop_token& stop)>;

  /// `gate` and `queue` outlive it; so does whatever `open` needs. `check_editable` throws Error
  /// where no edit could ever be applied.
  GuestFiles(std::string vm, Gate& gate, WorkQueue* queue, Open open, GuestViewOptions options,
             std::function<void()> check_editable = nullptr);

  /// The VM's state is there: edits are kept in `folder`/edits, which is made for the first one.
  void attach(const std::string& folder, Io& io);
  /// For a reset: nothing is known of the disks any more, and edits are forgotten.
  void forget();
  /// Refuses (EBUSY) while a run has some.
  void discard_edits();
  bool has_edits() const { return journal_ && !journal_->all().empty(); }
  /// Their paths: those that wait, and those that were applied lately.
  void list_edits(std::vector<std::string>& pending, std::vector<std::string>& applied) const;
  /// The disks are about to change.
  void forget_disks() { cache_.forget(); }
  /// Once attach() was called.
  EditJournal& journal() { return *journal_; }

  /// Reads. Its calls throw NotYet while the guest is being asked, EBUSY beside a writer for what
  /// is not known, and what the guest says.
  GuestView& view();
  /// Before a guest file is changed, or opened to be: throws NotYet while work runs or the guest is
  /// being looked at, and Error (EROFS; EBUSY beside a writer, or after one that was not shut
  /// down).
  Gate::Pass begin_edit(pid_t pid);
  /// Calls `change`, which may throw NotYet, within an edit.
  void edit(const std::function<void(GuestView&)>& change);
  /// What was written to a file that was opened within an edit is durable.
  void save(OpenGuestFile& file);

 private:
  struct Asked {
    GuestCache::Question question;
    std::shared_ptr<Event> answered;
  };
  void ask(GuestCache::Question question);
  GuestView& view_to_change();
  void count_edit(const std::function<void()>& change);
  void start(std::shared_ptr<Gate::Look> look);
  void run(std::shared_ptr<Gate::Look> look, std::shared_ptr<Event> said);
  void serve(inspect::Guest& guest, const std::stop_token& stop);
  std::optional<Asked> next_question(const std::stop_token& stop);

  const std::string vm_;
  Gate& gate_;
  WorkQueue* const queue_;
  const Open open_;
  const GuestViewOptions options_;
  const std::function<void()> check_editable_;
  std::string edits_folder_;  // set by attach()
  GuestCache cache_;
  std::optional<EditJournal> journal_;  // set by attach()
  std::optional<GuestView> view_;       // set by attach()

  std::mutex mutex_;  // before the gate's; held for nothing slow
  std::condition_variable_any signal_;
  std::deque<Asked> questions_;        // guarded by mutex_
  std::shared_ptr<Event> running_;     // guarded by mutex_: ends with the job; null: none
  std::shared_ptr<Event> said_;        // guarded by mutex_: the job knows whether it was shut down
  std::uint64_t running_changes_ = 0;  // guarded by mutex_
  std::uint64_t known_changes_ = 0;    // guarded by mutex_: what the cache is of
};

}  // namespace v2vfs::fs
