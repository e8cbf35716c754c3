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

#include "convert/guest/conversion_plan.h"
#include "fs/appliance.h"
#include "fs/appliance_pool.h"
#include "fs/guest_choice.h"
#include "fs/guest_files.h"
#include "fs/inspection.h"
#include "fs/planned_files.h"
#include "fs/vm_work.h"
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

  /// As Inspection::Inspect, for the VM of that name: waits for a free place, then for the
  /// appliance. Where keys open LUKS2, it is started again with the memory that this takes.
  /// `options`: of the conversion that is planned.
  InspectionTexts inspect(const std::string& vm, const inspect::MachineSpec& machine,
                          const GuestChoice& choice, const convert::ConversionOptions& options,
                          const std::vector<std::shared_ptr<Disk>>& disks,
                          const std::stop_token& stop);
  /// As GuestFiles::Open, for the VM of that name. The appliance stays warm, with all that is
  /// mounted in it, for the next one who opens the guest with the same `changes`. `plan`: what a
  /// conversion makes of it; null: none is to come.
  std::unique_ptr<MountedGuest> open_guest(const std::string& vm, const GuestChoice& choice,
                                           std::uint64_t changes, const PlanGuest& plan,
                                           const std::vector<std::shared_ptr<Disk>>& disks,
                                           const std::stop_token& stop);
  /// As VmWork::WithGuest, for the VM of that name.
  void change(const std::string& vm, const GuestChoice& choice,
              const std::vector<std::shared_ptr<StagedDisk>>& disks, const ChangeStaged& change,
              const std::stop_token& stop);
  /// Ends all appliances; inspect() throws soon.
  void stop();

 private:
  /// What a guest that is mounted was like.
  struct Found {
    bool shut_down = true;
    std::shared_ptr<const PlannedFiles> planned;
    bool looked_for_plan = false;
  };
  /// Disks that are shown for an appliance that stays.
  struct Shown {
    std::uint64_t changes = 0;
    std::string key;  // of the pool
    std::shared_ptr<Workshop::Run> run;
    std::shared_ptr<Found> found;  // set by who mounts it, before another one gets it
  };
  Shown show(const std::string& vm, std::uint64_t changes,
             const std::vector<std::shared_ptr<Disk>>& disks);
  inspect::GuestSettings settings_for(const std::string& vm, const Workshop::Run& run) const;
  inspect::GuestInspection look(const std::string& vm, const GuestChoice& choice,
                                const Workshop::Run& run, const std::stop_token& stop);
  void change_once(const std::string& vm, const GuestChoice& choice,
                   const std::vector<std::shared_ptr<StagedDisk>>& disks,
                   const ChangeStaged& change, const std::stop_token& stop);
  std::unique_ptr<MountedGuest> lease_mounted(const std::string& vm, const GuestChoice& choice,
                                              const Shown& shown, const PlanGuest& plan,
                                              const std::stop_token& stop);
  class LeasedGuest;
  static Found mount_tree(inspect::Guest& guest, inspect::InspectOptions options,
                          const PlanGuest& plan);
  std::uint32_t memory_of(const std::string& vm) const;
  void needs_memory(const std::string& vm, std::uint32_t mib);
  /// What `attempt` returns; once more if the VM turns out to need more memory.
  template <typename Attempt>
  auto with_memory(const std::string& vm, const Attempt& attempt);
  ApplianceLease lease(ApplianceRequest request, const std::stop_token& stop);
  std::unique_ptr<PooledAppliance> start(const ApplianceRequest& request) const;

  const Setup setup_;
  std::atomic<std::uint64_t> next_ = 1;
  Workshop workshop_;
  mutable std::mutex shown_mutex_;
  std::map<std::string, Shown> shown_;           // by VM; guarded by shown_mutex_
  std::map<std::string, std::uint32_t> memory_;  // MiB, of VMs that need more; guarded likewise
  AppliancePool pool_;  // last: its appliances are gone before the workshop
};

}  // namespace v2vfs::fs
