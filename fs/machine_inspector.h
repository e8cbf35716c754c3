// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "fs/appliance.h"
#include "fs/appliance_pool.h"
#include "fs/guest_files.h"
#include "fs/inspection.h"
#include "fs/workshop.h"
#include "inspect/model.h"

namespace v2vfs::fs {

/// Looks into the disks of machines: shows them in the workshop, has an appliance read them, and
/// writes down what it finds. Thread safe.
class MachineInspector {
 public:
  struct Setup {
    std::string state_root;    // the workshop is mounted in a private folder in it
    std::string cache_folder;  // for what is the same for all mounts of this user
    AppliancePool::Limits pool;
    std::chrono::milliseconds silence;  // of an appliance before it is ended
    std::function<bool()> may_use_kvm;
  };

  explicit MachineInspector(Setup setup);
  /// Nobody is inspecting any more.
  ~MachineInspector() = default;

  /// As Inspection::Inspect: waits for a free place, then for the appliance.
  InspectionTexts inspect(const inspect::MachineSpec& machine,
                          const std::vector<std::shared_ptr<Disk>>& disks,
                          const std::stop_token& stop);
  /// As GuestFiles::Open, for the VM of that name. The appliance stays warm, with all that is
  /// mounted in it, for the next one who opens the guest with the same `changes`.
  std::unique_ptr<MountedGuest> open_guest(const std::string& vm, std::uint64_t changes,
                                           const std::vector<std::shared_ptr<Disk>>& disks,
                                           const std::stop_token& stop);
  /// Ends all appliances; inspect() throws soon.
  void stop();

 private:
  /// Disks that are shown for an appliance that stays.
  struct Shown {
    std::uint64_t changes = 0;
    std::string key;  // of the pool
    std::shared_ptr<Workshop::Run> run;
  };
  Shown show(const std::string& vm, std::uint64_t changes,
             const std::vector<std::shared_ptr<Disk>>& disks);
  inspect::GuestSettings settings_for(const Workshop::Run& run) const;
  ApplianceLease lease(ApplianceRequest request, const std::stop_token& stop);
  std::unique_ptr<PooledAppliance> start(const ApplianceRequest& request) const;

  const Setup setup_;
  std::atomic<std::uint64_t> next_ = 1;
  Workshop workshop_;
  std::mutex shown_mutex_;
  std::map<std::string, Shown> shown_;  // by VM; guarded by shown_mutex_
  AppliancePool pool_;                  // last: its appliances are gone before the workshop
};

}  // namespace v2vfs::fs
