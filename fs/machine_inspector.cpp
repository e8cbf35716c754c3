// SPDX-License-Identifier: MIT
#include "fs/machine_inspector.h"

#include <cerrno>
#include <filesystem>
#include <future>
#include <utility>
#include <variant>

#include "convert/guest/capabilities_json.h"
#include "convert/guest/conversion_json.h"
#include "inspect/base/text.h"
#include "inspect/guest/filesystems_in_use.h"
#include "inspect/guest/inspect_guest.h"
#include "inspect/guest/inspection_json.h"
#include "inspect/guest/inspection_xml.h"

namespace v2vfs::fs {
namespace {

const Error& ended() {
  static const Error error(ECANCELED, "the appliance was ended: its disks are needed otherwise");
  return error;
}

inspect::InspectOptions options_for(const GuestChoice& choice, std::uint32_t memory_mib) {
  inspect::InspectOptions options;
  options.keys = choice.keys();
  options.root = choice.root;
  options.memory_mib = memory_mib;
  return options;
}

/// What is in the way of the files, where nothing was found.
Error no_root(const inspect::GuestInspection& found) {
  for (const inspect::LuksFacts& luks : found.disks.luks) {
    if (!luks.mapping.empty()) continue;
    return Error(EACCES, "{} is encrypted and closed: {}. Mount with -o keyfile={}:FILE",
                 clean_text(luks.device), luks.problem, clean_text(luks.uuid));
  }
  return Error(EIO, "no operating system was found on its disks");
}

}  // namespace

class MachineInspector::LeasedGuest : public MountedGuest {
 public:
  LeasedGuest(ApplianceLease lease, std::shared_ptr<Workshop::Run> run,
              std::shared_ptr<const Found> found, const std::stop_token& stop,
              std::function<void()> end)
      : run_(std::move(run)),
        found_(std::move(found)),
        lease_(std::move(lease)),
        end_(stop, std::move(end)) {}
  inspect::Guest& guest() override { return lease_.guest(); }
  bool shut_down() const override { return found_->shut_down; }
  std::shared_ptr<const PlannedFiles> planned() const override { return found_->planned; }
  ApplianceLease& lease() { return lease_; }

 private:
  const std::shared_ptr<Workshop::Run> run_;
  const std::shared_ptr<const Found> found_;
  ApplianceLease lease_;
  const std::stop_callback<std::function<void()>> end_;
};

/// The chosen root with what its fstab mounts on it. Only a plan needs all that can be known.
MachineInspector::Found MachineInspector::mount_tree(inspect::Guest& guest,
                                                     inspect::InspectOptions options,
                                                     const PlanGuest& plan) {
  if (!plan) options.open_initrds = options.list_applications = false;
  guest.unmount_all();
  const inspect::GuestInspection found = inspect::inspect_guest(guest, options);
  const inspect::GuestFacts* chosen = found.chosen_guest();
  if (!chosen) throw no_root(found);
  guest.mount({chosen->root, "/", chosen->subvolume, false});
  for (const inspect::MountpointFacts& mount : chosen->mountpoints) {
    if (!mount.mounted || mount.path == "/") continue;
    guest.mount({mount.device, mount.path, mount.subvolume, false});
  }
  Found result{inspect::why_not_shut_down(found).empty(), nullptr, plan != nullptr};
  if (plan) result.planned = std::make_shared<const PlannedFiles>(plan(found));
  return result;
}

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

std::uint32_t MachineInspector::memory_of(const std::string& vm) const {
  const std::lock_guard lock(shown_mutex_);
  const auto known = memory_.find(vm);
  return known == memory_.end() ? inspect::GuestSettings().memory_mib : known->second;
}

void MachineInspector::needs_memory(const std::string& vm, std::uint32_t mib) {
  const std::lock_guard lock(shown_mutex_);
  memory_[vm] = mib;
}

template <typename Attempt>
auto MachineInspector::with_memory(const std::string& vm, const Attempt& attempt) {
  try {
    return attempt();
  } catch (const inspect::MemoryNeeded& more) {
    needs_memory(vm, more.mib());
  }
  return attempt();
}

inspect::GuestSettings MachineInspector::settings_for(const std::string& vm,
                                                      const Workshop::Run& run) const {
  inspect::GuestSettings settings;
  settings.memory_mib = memory_of(vm);
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

inspect::GuestInspection MachineInspector::look(const std::string& vm, const GuestChoice& choice,
                                                const Workshop::Run& run,
                                                const std::stop_token& stop) {
  const std::string key = std::to_string(next_++);
  const inspect::GuestSettings settings = settings_for(vm, run);
  ApplianceLease appliance = lease({key, settings}, stop);
  appliance.do_not_keep();  // nobody else reads these disks yet
  const std::stop_callback end_it(stop, [&] { pool_.end(key, ended()); });
  return inspect::inspect_guest(appliance.guest(), options_for(choice, settings.memory_mib));
}

InspectionTexts MachineInspector::inspect(const std::string& vm,
                                          const inspect::MachineSpec& machine,
                                          const GuestChoice& choice,
                                          const convert::ConversionOptions& options,
                                          const std::vector<std::shared_ptr<Disk>>& disks,
                                          const std::stop_token& stop) {
  const auto as_of = std::chrono::system_clock::now();
  inspect::GuestInspection found;
  if (!disks.empty()) {
    const std::unique_ptr<Workshop::Run> run = workshop_.begin(disks);
    found = with_memory(vm, [&] { return look(vm, choice, *run, stop); });
  }
  const convert::ConversionPlan plan = convert::plan_conversion(found, machine, options);
  const bool planned = plan.state == convert::PlanState::planned;
  return {inspect::inspection_json(machine, found, as_of), inspect::inspection_xml(found),
          convert::conversion_json(plan),
          planned ? convert::capabilities_to_json(plan.capabilities) : "",
          inspect::why_not_shut_down(found).empty()};
}

MachineInspector::Shown MachineInspector::show(const std::string& vm, std::uint64_t changes,
                                               const std::vector<std::shared_ptr<Disk>>& disks) {
  const std::lock_guard lock(shown_mutex_);
  Shown& shown = shown_[vm];
  if (!shown.run || shown.changes != changes) {
    if (shown.run) pool_.end(shown.key, ended());
    shown = {changes, std::to_string(next_++), workshop_.begin(disks), std::make_shared<Found>()};
  }
  return shown;
}

std::unique_ptr<MountedGuest> MachineInspector::lease_mounted(const std::string& vm,
                                                              const GuestChoice& choice,
                                                              const Shown& shown,
                                                              const PlanGuest& plan,
                                                              const std::stop_token& stop) {
  const inspect::GuestSettings settings = settings_for(vm, *shown.run);
  auto guest =
      std::make_unique<LeasedGuest>(lease({shown.key, settings}, stop), shown.run, shown.found,
                                    stop, [this, key = shown.key] { pool_.end(key, ended()); });
  if (guest->lease().was_warm() && (!plan || shown.found->looked_for_plan)) return guest;
  try {
    *shown.found = mount_tree(guest->guest(), options_for(choice, settings.memory_mib), plan);
  } catch (const std::exception&) {
    guest->lease().do_not_keep();
    throw;
  }
  return guest;
}

std::unique_ptr<MountedGuest> MachineInspector::open_guest(
    const std::string& vm, const GuestChoice& choice, std::uint64_t changes, const PlanGuest& plan,
    const std::vector<std::shared_ptr<Disk>>& disks, const std::stop_token& stop) {
  const Shown shown = show(vm, changes, disks);
  return with_memory(vm, [&] { return lease_mounted(vm, choice, shown, plan, stop); });
}

/// finish() says whether all that was written is there; then nobody but the run's end is missing.
void MachineInspector::change_once(const std::string& vm, const GuestChoice& choice,
                                   const std::vector<std::shared_ptr<StagedDisk>>& disks,
                                   const ChangeStaged& change, const std::stop_token& stop) {
  const std::unique_ptr<Workshop::Run> run = workshop_.begin_writing(disks);
  const std::string key = std::to_string(next_++);
  inspect::GuestSettings settings = settings_for(vm, *run);
  for (inspect::GuestDisk& disk : settings.disks) disk.writable = true;
  ApplianceLease appliance = lease({key, settings}, stop);
  appliance.do_not_keep();
  const std::stop_callback end_it(stop, [&] { pool_.end(key, ended()); });
  change(appliance.guest(), options_for(choice, settings.memory_mib));
  appliance.guest().finish();
}

/// That LUKS2 needs more memory is found out before anything is written.
void MachineInspector::change(const std::string& vm, const GuestChoice& choice,
                              const std::vector<std::shared_ptr<StagedDisk>>& disks,
                              const ChangeStaged& change, const std::stop_token& stop) {
  with_memory(vm, [&] { change_once(vm, choice, disks, change, stop); });
}

void MachineInspector::stop() { pool_.stop(ended()); }

}  // namespace v2vfs::fs
