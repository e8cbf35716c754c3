// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "fs/admission.h"
#include "fs/event.h"

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

  explicit Gate(std::string vm) : vm_(std::move(vm)), admission_(Conversion::none) {}
  /// The VM's state is there: `folder` keeps the count of changes. Throws Error.
  void attach(const std::string& folder);

  // The rules are Admission's.
  Pass open_reader(pid_t pid, Shape shape);
  Pass open_writer(pid_t pid, Shape shape);
  void first_access(const Pass& pass, Shape now);
  /// Before a handle's first write, and before a write without a handle: counts durably, if what
  /// was counted so far has been seen by a look.
  void wrote(const Pass& pass);
  void wrote_without_handle();

  /// Throws Error(EBUSY) beside a writer.
  void expect_no_writer() const;
  /// Throws NotYet while work runs; nullptr, with the reason in `refusal`, beside a writer.
  std::shared_ptr<Look> begin_look(std::optional<Error>& refusal);
  /// For a reset: everything that was read so far, or is being read, is of another disk.
  void change_everything();
  /// Ends the look, for good: none begins any more.
  void stop();

  /// How often the content of the disks began to change.
  std::uint64_t changes() const;

 private:
  void carry_out(const Ruling& ruling);
  void close(Admission::HandleId handle);
  void end_look();
  void wake();
  void count_change();

  const std::string vm_;
  mutable std::mutex mutex_;
  Admission admission_;               // guarded by mutex_
  std::shared_ptr<Event> next_end_ =  // guarded by mutex_
      std::make_shared<Event>();
  std::stop_source look_stop_;  // guarded by mutex_
  bool stopped_ = false;        // guarded by mutex_
  std::string folder_;          // guarded by mutex_
  std::uint64_t changes_ = 0;   // guarded by mutex_
  bool counted_ = false;        // guarded by mutex_: no look has begun since
};

}  // namespace v2vfs::fs
