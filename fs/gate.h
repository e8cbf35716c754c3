// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "fs/admission.h"
#include "fs/event.h"
#include "fs/state_folder.h"

namespace v2vfs::fs {

/// Admission at work, for one VM: its lock, those who wait, and the count of changes that tells
/// whether something that was read from the disks is still true. A ruling becomes a return, NotYet
/// or Error. Thread safe; what it hands out must not outlive it.
class Gate {
 public:
  /// Given back when it goes.
  class Pass {
   public:
    Pass(Pass&& other) noexcept;
    ~Pass();

   private:
    friend class Gate;
    Pass(Gate& gate, Admission::HandleId handle) : gate_(&gate), handle_(handle) {}
    Gate* gate_;
    Admission::HandleId handle_;
  };

  /// The read-only appliance may read the base while this lives and `stop` has not been requested.
  class Look {
   public:
    Look(Gate& gate, std::stop_token stop, std::uint64_t changes);
    ~Look();
    Look(const Look&) = delete;
    /// Requested when a writer comes, the base changes, or the VM is given up.
    const std::stop_token& stop() const { return stop_; }
    std::uint64_t changes() const { return changes_; }

   private:
    Gate& gate_;
    const std::stop_token stop_;
    const std::uint64_t changes_;
  };

  /// Called with the gate's lock held: it must neither wait nor call the gate.
  using StartWork = std::function<void(Work)>;

  explicit Gate(std::string vm) : vm_(std::move(vm)), admission_(Conversion::none) {}
  /// The VM's state is there: `folder` keeps the count of changes. Throws Error.
  void attach(const StateFolder& folder);
  /// Before anybody comes: what changes the disks, and what is known of them.
  void serve(StartWork start_work, Admission::Memory memory);

  // The rules are Admission's.
  Pass open_reader(pid_t pid, Shape shape);
  Pass open_writer(pid_t pid, Shape shape);
  void first_access(const Pass& pass, Shape now);
  /// Before a handle's first write, and before a write without a handle: counts durably, if what
  /// was counted so far has been seen by a look.
  void wrote(const Pass& pass);
  void wrote_without_handle();

  /// A guest file is opened for writing, or changed. Throws NotYet while work runs, and
  /// Error(EBUSY) beside a writer or after one that was not shut down. Where nobody knows whether
  /// it was, `look` is what the caller has to find out with.
  std::optional<Pass> open_edit(pid_t pid, std::shared_ptr<Look>& look);
  /// What was changed is durable.
  void edit_saved();
  void discard_edits();

  // Words of ctl. apply_edits() and convert() throw NotYet until it is done, and Error if it could
  // not be.
  void apply_edits();
  void convert();
  void serve_unconverted();
  void force();

  // What the work says. It is told whether the guest has to be looked at first.
  bool may_have_run() const;
  bool forced() const;
  void finish(WorkOutcome outcome, std::string why);

  /// Throws NotYet while work runs; nullptr, with the reason in `refusal`, beside a writer.
  std::shared_ptr<Look> begin_look(std::optional<Error>& refusal);
  /// What a look found out first: was the guest shut down?
  void look_says(const Look& look, bool shut_down);
  /// Everything that was read so far, or is being read, is of other disks.
  void change_everything();
  /// For a reset, which nobody may be in the way of: EBUSY while work runs.
  void start_over();
  /// Ends the look, for good: none begins any more.
  void stop();

  /// How often the content of the disks began to change.
  std::uint64_t changes() const;
  /// Which work runs; those who keep one that is wanted from starting; why edits could not be
  /// applied; and true after a VM that was not shut down.
  struct Standing {
    Work running = Work::none;
    std::vector<pid_t> waiting_for;
    std::string edit_failure;
    bool not_shut_down = false;
    Conversion conversion = Conversion::none;
    std::string failure;  // of the conversion
    bool expects_conversion = false;
  };
  Standing standing() const;
  /// As Admission's: where data lies now may not be where it lies for who reads next.
  bool content_may_change() const;

 private:
  std::shared_ptr<Look> make_look();
  void carry_out(const Ruling& ruling);
  void close(Admission::HandleId handle);
  void end_look();
  void wake();
  void count_change();

  const std::string vm_;
  StartWork start_work_;  // set by serve()
  mutable std::mutex mutex_;
  Admission admission_;               // guarded by mutex_
  std::shared_ptr<Event> next_end_ =  // guarded by mutex_
      std::make_shared<Event>();
  std::stop_source look_stop_;         // guarded by mutex_
  bool stopped_ = false;               // guarded by mutex_
  std::optional<StateFolder> folder_;  // guarded by mutex_
  std::uint64_t changes_ = 0;          // guarded by mutex_
  bool counted_ = false;               // guarded by mutex_: no look has begun since
};

}  // namespace v2vfs::fs
