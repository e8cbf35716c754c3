// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/overlay/format.h"
#include "fs/overlay/io.h"
#include "fs/overlay/run_record.h"
#include "fs/overlay/staged_disk.h"

namespace v2vfs::fs {

/// Every barrier and order that "before or after, all disks together" rests on, by name. All are
/// on; the crash test takes out one at a time and must notice (staging_crash_test.cpp).
struct StagingRules {
  bool barrier_before_manifest = true;  // the manifest implies durable disks
  bool sync_record = true;              // ... and is whole when it has its name
  bool sync_name = true;                // ... which is durable before anything is changed
  bool barrier_before_end = true;       // the disks are durable before the manifest is void
  bool skip_promoted = true;            // a run that is in the disks is not brought in again
  bool check_cold = true;               // a run that changed the cold zone or tail is not promoted
};

/// What one run writes to all disks of a VM, and how that becomes part of all of them or of none.
///
///     STATE/staging/disk-N/   a store over disk N, written by the run
///     STATE/staging/manifest  from this name's being durable on the disks are the run's
///     STATE/promoted          the same, once everything is in the disks; the manifest is void then
///
/// begin(), writes, commit(): from then on roll_forward() and end(), however often they are cut
/// off; else drop(). It copies the run's blocks into the disks by the ordinary write path, so there
/// is one way by which a disk's bytes change. Nobody writes to the disks, or has read from them,
/// from begin() to end(). One thread; the disks that it hands out are thread safe.
class Staging {
 public:
  using Disks = std::vector<std::shared_ptr<PromotableDisk>>;

  /// `geometry`: of its stores.
  Staging(Io& io, std::string state_folder, Disks disks, StoreGeometry geometry = {},
          StagingRules rules = {});

  /// What the last run that was promoted made of the disks.
  std::optional<RunRecord> promoted() const;
  /// A run that was committed, but is not in the disks yet. Throws Error(EIO) if that cannot be
  /// told, or is damaged.
  std::optional<RunRecord> committed() const;

  /// Makes empty stores; drops those of a run that was not committed.
  const std::vector<std::shared_ptr<StagedDisk>>& begin();
  /// Refuses (EIO) a run a write of which failed, or that changed size, cold zone or tail of a
  /// disk. The run has closed its disks. `record.disks` is filled in here. If it throws, nothing is
  /// changed; or committed() says what is.
  void commit(RunRecord record);
  /// Brings a committed run into the disks, durably.
  void roll_forward();
  /// It is there, and the count of changes is `changes`.
  void end(std::uint64_t changes);
  void drop();
  /// For a reset: nothing was ever promoted.
  void forget();

 private:
  std::string disk_folder(std::size_t index) const;
  std::optional<RunRecord> read(const std::string& file) const;
  std::unique_ptr<OverlayStore> make_store(std::size_t index) const;
  void check_promotable(std::size_t index) const;
  void write(const std::string& folder, const char* name, const RunRecord& record) const;
  void write_manifest(const RunRecord& record);
  void copy_into(PromotableDisk& disk, OverlayStore& store) const;

  Io& io_;
  const std::string state_folder_, folder_;
  const Disks disks_;
  const StoreGeometry geometry_;
  const StagingRules rules_;
  std::vector<std::shared_ptr<StagedDisk>> staged_;  // from begin() to the end of the run
};

}  // namespace v2vfs::fs
