// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "convert/guest/guest_edit.h"
#include "fs/conversion_outlook.h"
#include "fs/disk.h"
#include "fs/edit_journal.h"
#include "fs/gate.h"
#include "fs/guest_files.h"
#include "fs/overlay/staging.h"
#include "fs/work_queue.h"
#include "inspect/guest/inspect_guest.h"

namespace v2vfs::fs {

/// What a kind of work is given.
struct WorkInput {
  std::vector<convert::GuestEdit> edits;  // that no earlier run has
  bool may_have_run = false;  // somebody wrote to the disks: was the guest shut down afterwards?
  bool forced = false;        // whatever it looks like, it counts as shut down
  RunRecord last;             // what the last run made of the guest
  inspect::InspectOptions options;  // how it is opened
  std::string work_folder;          // of this host, private, empty, gone after the run
  std::function<void(const char* stage)> on_stage = [](const char*) {};  // VmWork::stage()
};

/// What it made of the guest.
struct WorkResult {
  WorkOutcome outcome = WorkOutcome::promoted;
  std::string why;                       // of all that is not promoted
  std::string conversion, capabilities;  // of promoted: kept with the disks (RunRecord)
};

/// What a kind of work does with a guest all of whose disks are writable, and nothing of which is
/// mounted yet. Only with the outcome `promoted` is anything of it kept. Throws Error: it failed.
using ChangeGuest = std::function<WorkResult(inspect::Guest& guest, const WorkInput& input)>;

/// The same once there is an appliance: the guest, and how it is opened.
using ChangeStaged =
    std::function<void(inspect::Guest& guest, const inspect::InspectOptions& options)>;

/// What a crash, or the end of a run, leaves: a committed run is brought into the disks, the edits
/// that it had are applied; else nothing of it is left, and they wait again. True if there was one.
/// `before_change` is called before the first byte of the disks changes and gives the count of
/// changes. If it throws, nobody may have content before it was called again and returned.
bool settle(Staging& staging, EditJournal& journal,
            const std::function<std::uint64_t()>& before_change);

/// The work that changes the disks of one VM: a run writes to all of them in staging, and what it
/// wrote becomes part of all of them or of none. Thread safe.
class VmWork {
 public:
  using Disks = std::vector<std::shared_ptr<Disk>>;
  /// Shows the disks to an appliance of its own, has `change` called, and shuts the guest down.
  /// When it returns or throws nobody writes to them any more. Throws soon once `stop` is
  /// requested.
  using WithGuest = std::function<void(const std::vector<std::shared_ptr<StagedDisk>>& disks,
                                       const ChangeStaged& change, const std::stop_token& stop)>;

  /// What the user wants of conversions.
  struct Wishes {
    bool convert = false;       // before anybody has content; else when it is asked for by name
    bool serve_failed = false;  // as if none had been tried
  };

  /// All outlive it. `queue` and `with_guest` may be null where nothing is ever changed.
  VmWork(std::string vm, Gate& gate, WorkQueue* queue, GuestFiles& files, WithGuest with_guest,
         ConversionOutlook& outlook, Wishes wishes);
  /// Before attach(): what is done for that kind.
  void add(Work kind, ChangeGuest change) { changes_[kind] = std::move(change); }

  /// The VM's state and disks are there: settles what an earlier daemon left, and opens the gate.
  void attach(const std::string& state_folder, Io& io, Disks disks);
  /// As Gate::StartWork.
  void start(Work work);
  /// The converter looks into the guest also where a glance finds nothing to convert.
  void look_closely() { looks_closely_ = true; }
  /// What is being done now; null: nothing. Stages are literals.
  const char* stage() const { return stage_; }
  /// A committed run could not be brought into the disks, which are blocked since.
  bool blocked() const { return blocked_; }
  /// Tries again. Throws Error(EIO) if that fails as well.
  void settle_if_blocked();
  /// For a reset, before the disks are dropped: nothing was ever promoted.
  void forget();
  /// What the last run that is in the disks made of the guest.
  RunRecord last() const;
  /// conversion.json of the last conversion that was tried here and came to nothing; empty: none.
  std::string fruitless_conversion() const;
  /// The last one was refused: the guest may still remember its files.
  bool conversion_was_refused() const { return was_refused_; }
  /// What runs is ended, and nothing of it is kept, unless it is committed already.
  void stop() { stop_.request_stop(); }

 private:
  void run(Work work);
  void end(Work work, WorkResult result);
  void note_fruitless(WorkResult& result);
  Admission::Memory memory();
  WorkResult attempt(Work work);
  WorkResult make_run(Work work, WorkInput input);
  bool settle_disks();
  void remember_last();
  bool is_committed() const;
  void check_disks() const;

  const std::string vm_;
  Gate& gate_;
  WorkQueue* const queue_;
  GuestFiles& files_;
  const WithGuest with_guest_;
  ConversionOutlook& outlook_;
  const Wishes wishes_;
  std::map<Work, ChangeGuest> changes_;
  std::stop_source stop_;
  std::atomic<bool> blocked_ = false;
  std::atomic<bool> looks_closely_ = false;
  std::atomic<bool> was_refused_ = false;
  std::atomic<const char*> stage_ = nullptr;
  std::mutex working_;                // one run, or one try to settle; before mutex_
  std::string work_folder_;           // set by attach()
  Disks disks_;                       // set by attach(), while nothing runs
  std::unique_ptr<Staging> staging_;  // set by attach()

  mutable std::mutex mutex_;
  RunRecord last_;         // guarded by mutex_
  std::string fruitless_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
