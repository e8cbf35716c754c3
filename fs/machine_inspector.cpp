// SPDX-License-Identifier: MIT
#include "fs/machine_inspector.h"

#include <cerrno>
#include <filesystem>
#include <future>
#include <utility>
#include <variant>

#include "inspect/guest/inspect_guest.h"
#include "inspect/guest/inspection_json.h"
#include "inspect/guest/inspection_xml.h"

namespace v2vfs::fs {
namespace {

const Error& ended() {
  static const Error error(ECANCELED, "the appliance was ended: its disks are needed otherwise");
  return error;
}

class LeasedGuest : public MountedGuest {
 public:
  LeasedGuest(ApplianceLease lease, std::shared_ptr<Workshop::Run> run, const std::stop_token& stop,
              std::function<void()> end)
      : run_(std::move(run)), lease_(std::move(lease)), end_(stop, std::move(end)) {}
  inspect::Guest& guest() override { return lease_.guest(); }
  ApplianceLease& lease() { return lease_; }

 private:
  const std::shared_ptr<Workshop::Run> run_;
  ApplianceLease lease_;
  const std::stop_callback<std::function<void()>> end_;
};

/// The chosen root with what its fstab mounts on it.
void mount_tree(inspect::Guest& guest) {
  inspect::InspectOptions options;
  options.open_initrds = options.list_applications = false;
  const inspect::GuestInspection found = inspect::inspect_guest(guest, options);
  const inspect::GuestFacts* chosen = found.chosen_guest();
  if (!chosen) throw Error(EIO, "no operating system was found on its disks");
  guest.mount({chosen->root, "/", chosen->subvolume, false});
  for (const inspect::MountpointFacts& mount : chosen->mountpoints) {
    if (!mount.mounted || mount.path == "/") continue;
    guest.mount({mount.device, mount.path, mount.subvolume, false});
  }
}

}  // namespace

MachineInspector::MachineInspector(Setup setup)
    : setup_(std::move(setup)),
      workshop_(setup_.state_root),
      pool_(setup_.pool, [this](const ApplianceRequest& request) { return start(request); }) {}

std::unique_ptr<PooledAppliance> MachineInspector::start(const ApplianceRequest& request) const {
  ApplianceSetup setup;
  setup.work_folder = workshop_.folder() + "/appliances";
  setup.cache_folder = setup_.cache_folder;
  std::error_code error;  // said when the folder itself cannot be made
  std::filesystem::create_directories(std::filesystem::path(setup.cache_folder).parent_path(),
                                      error);
  setup.limits.silence = setup_.silence;
  return std::make_unique<Appliance>(setup, request.settings);
}

inspect::GuestSettings MachineInspector::settings_for(const Workshop::Run& run) const {
  inspect::GuestSettings settings;
  for (const std::string& path : run.paths()) settings.disks.push_back({path});
  settings.force_tcg = !setup_.may_use_kvm();
  return settings;
}

/// The pool calls back; here a thread of slow work waits for it, of which there are no more than
/// places in the pool.
ApplianceLease MachineInspector::lease(ApplianceRequest request, const std::stop_token& stop) {
  auto promise = std::make_shared<std::promise<AppliancePool::Outcome>>();
  std::future<AppliancePool::Outcome> future = promise->get_future();
  const auto ticket = pool_.request(std::move(request), [promise](AppliancePool::Outcome outcome) {
    promise->set_value(std::move(outcome));
  });
  const std::stop_callback give_up(stop, [&] {
    if (pool_.cancel(ticket)) promise->set_value(ended());
  });
  AppliancePool::Outcome outcome = future.get();
  if (const Error* why = std::get_if<Error>(&outcome)) throw *why;
  return std::get<ApplianceLease>(std::move(outcome));
}

InspectionTexts MachineInspector::inspect(const inspect::MachineSpec& machine,
                                          const std::vector<std::shared_ptr<Disk>>& disks,
                                          const std::stop_token& stop) {
  const auto as_of = std::chrono::system_clock::now();
  inspect::GuestInspection found;
  if (!disks.empty()) {
    const std::unique_ptr<Workshop::Run> run = workshop_.begin(disks);
    const std::string key = std::to_string(next_++);
    ApplianceLease appliance = lease({key, settings_for(*run)}, stop);
    appliance.do_not_keep();  // nobody else reads these disks yet
    const std::stop_callback end_it(stop, [&] { pool_.end(key, ended()); });
    found = inspect::inspect_guest(appliance.guest());
  }
  return {inspect::inspection_json(machine, found, as_of), inspect::inspection_xml(found)};
}

MachineInspector::Shown MachineInspector::show(const std::string& vm, std::uint64_t changes,
                                               const std::vector<std::shared_ptr<Disk>>& disks) {
  const std::lock_guard lock(shown_mutex_);
  Shown& shown = shown_[vm];
  if (!shown.run || shown.changes != changes) {
    if (shown.run) pool_.end(shown.key, ended());
    shown = {changes, std::to_string(next_++), workshop_.begin(disks)};
  }
  return shown;
}

std::unique_ptr<MountedGuest> MachineInspector::open_guest(
    const std::string& vm, std::uint64_t changes, const std::vector<std::shared_ptr<Disk>>& disks,
    const std::stop_token& stop) {
  const Shown shown = show(vm, changes, disks);
  auto guest =
      std::make_unique<LeasedGuest>(lease({shown.key, settings_for(*shown.run)}, stop), shown.run,
                                    stop, [this, key = shown.key] { pool_.end(key, ended()); });
  if (guest->lease().was_warm()) return guest;
  try {
    mount_tree(guest->guest());
  } catch (const std::exception&) {
    guest->lease().do_not_keep();
    throw;
  }
  return guest;
}

void MachineInspector::stop() { pool_.stop(ended()); }

}  // namespace v2vfs::fs
