// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "fs/appliance.h"
#include "fs/appliance_pool.h"
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
  /// Ends all appliances; inspect() throws soon.
  void stop();

 private:
  inspect::GuestSettings settings_for(const Workshop::Run& run) const;
  ApplianceLease lease(ApplianceRequest request, const std::stop_token& stop);
  std::unique_ptr<PooledAppliance> start(const ApplianceRequest& request) const;

  const Setup setup_;
  std::atomic<std::uint64_t> next_ = 1;
  Workshop workshop_;
  AppliancePool pool_;  // last: its appliances are gone before the workshop
};

}  // namespace v2vfs::fs
