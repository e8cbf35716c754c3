// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mount-helpers/ctl/disk_copy.h"
#include "mount-helpers/ctl/mounts.h"
#include "mount-helpers/ctl/progress.h"
#include "mount-helpers/ctl/target_folder.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {

/// What all VMs of one export share.
struct ExportRun {
  explicit ExportRun(bool is_quiet) : line(is_quiet), quiet(is_quiet) {}

  ProgressLine line;
  DiskCopy::Counters counters;
  std::uint64_t total_bytes = 0;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  const bool quiet;
  bool verify = false;
};

/// One VM on its way out of a mount.
class VmExport {
 public:
  /// Throws Error if it cannot be copied now: EBUSY while somebody writes to its disks.
  VmExport(const Place& vm, const std::string& destination);

  /// Of its disks, as the mount counts them, less what an earlier run left.
  std::uint64_t data_bytes() const { return data_bytes_; }
  std::uint64_t missing_bytes() const { return missing_bytes_; }

  /// Throws Error; what is there then can be gone on with.
  void run(ExportRun& shared);

 private:
  void copy_disk(const DiskStatus& disk, ExportRun& shared);
  UniqueFd open_source(const DiskStatus& disk, bool quiet);
  UniqueFd open_part(const std::string& name, mode_t permissions) const;
  void tick(const std::string& what, ExportRun& shared);
  void check_unchanged();
  void finish();

  const Place vm_;
  VmStatus status_;
  const TargetFolder target_;
  std::uint64_t data_bytes_ = 0, missing_bytes_ = 0;
  std::uint64_t written_before_ = 0;
  bool is_bound_ = false;  // its content was accessed: written_before_ says what it is then
  std::chrono::steady_clock::time_point last_check_{};
};

}  // namespace v2vfs::ctl
