// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fs/conversion_record.h"
#include "fs/disk.h"
#include "fs/event.h"
#include "fs/state_folder.h"
#include "fs/work_queue.h"

namespace v2vfs::fs {

/// What is to be expected of one VM's guest before it is converted: what was decided earlier, and
/// whether there can be a Linux at all, which a glance at the disks tells without an appliance.
/// Thread safe.
class ConversionOutlook {
 public:
  using Disks = std::vector<std::shared_ptr<Disk>>;

  /// `glances` outlives it; null: every disk may hold Linux.
  ConversionOutlook(std::string vm, WorkQueue* glances) : vm_(std::move(vm)), glances_(glances) {}

  /// The VM's state and disks are there. `key`: of what a decision depends on.
  void attach(const StateFolder& folder, std::string key, Disks disks);
  /// For a reset.
  void forget();

  ConversionRecord record() const;
  /// Durable when it returns.
  void decide(ConversionRecord::Decision decision, const std::string& conversion = "");
  /// Somebody is given the domain of the converted guest. Durable when it returns.
  void promise();

  /// nullopt: nobody has looked.
  std::optional<bool> may_hold_linux_as_known() const;
  /// Throws NotYet until somebody has looked.
  bool may_hold_linux();
  /// Calls it on a thread of `glances`; at once where there are none.
  void when_known(std::function<void(bool may_hold_linux)> then);

 private:
  bool look();
  void change(const std::function<void(ConversionRecord&)>& change);

  const std::string vm_;
  WorkQueue* const glances_;
  mutable std::mutex mutex_;
  std::optional<StateFolder> folder_;   // guarded by mutex_
  std::string key_;                     // guarded by mutex_
  Disks disks_;                         // guarded by mutex_
  ConversionRecord record_;             // guarded by mutex_
  std::optional<bool> may_hold_linux_;  // guarded by mutex_
  std::shared_ptr<Event> looking_;      // guarded by mutex_; null: nobody waits
};

}  // namespace v2vfs::fs
