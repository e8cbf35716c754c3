// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>

#include "fs/vm.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

// What a VM says of itself (status.json) and what it does when told to (ctl).

namespace v2vfs::fs {
namespace {

using convert::VerifyReport;

DiskStatus status_of(const Disk& disk) {
  DiskStatus status;
  status.file = disk.file_name();
  status.virtual_bytes = disk.virtual_bytes();
  status.overlay_bytes = disk.overlay_bytes();
  status.frozen = disk.frozen();
  status.failure = disk.failure().empty() ? disk.poison() : disk.failure();
  status.holders = disk.holders();
  return status;
}

/// Waits for `work`; a signal to the caller ends the wait (EINTR), not the work.
VerifyReport wait_for(std::future<VerifyReport>& work, const Caller& caller) {
  while (work.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (caller.interrupted()) throw Error(EINTR, "the wait was ended; the work goes on");
  }
  return work.get();
}

}  // namespace

std::string Vm::state_word() const {
  if (failure_ || !spec().usable()) return "unusable";
  if (state_ && !state_->stale.empty()) return "stale";
  bool any_served = disks_.empty();
  for (const auto& disk : disks_) {
    if (disk->is_stale()) return "stale";
    any_served |= disk->failure().empty();
  }
  return any_served ? "unconverted" : "unusable";
}

VmStatus Vm::status() {
  VmStatus status;
  // A disk that waits for its source must not make mutex_, which LOOKUP needs, wait too.
  for (const auto& disk : all_disks()) status.disks.push_back(status_of(*disk));
  const std::lock_guard lock(mutex_);
  status.vm = folder();
  status.assumptions = spec().assumptions;
  status.ignored = spec().ignored;
  status.problems = spec().problems;
  status.state = loaded_ ? state_word() : "loading";
  if (inspection_.running()) status.stage = "inspecting";
  if (state_) status.state_id = state_->id();
  status.integrity = integrity_.result();
  if (failure_) {
    status.failure = {"unusable", failure_->sentence(), "see the log"};
  } else if (state_ && !state_->stale.empty()) {
    status.failure = {"source-changed", state_->stale,
                      "put the source back as it was, or write reset to ctl"};
  }
  for (const DiskStatus& disk : status.disks) {
    if (!status.failure && !disk.failure.empty()) {
      status.failure = {"disk-unusable", disk.file + ": " + disk.failure,
                        "mend what is named and mount again"};
    }
  }
  if (const auto failure = inspection_.failure(); failure && !status.failure) {
    status.failure = {"inspection-failed", failure->sentence(),
                      "mend what is named; it is tried again when inspection.json is next opened"};
  }
  return status;
}

void Vm::control(const std::string& word, const Caller& caller) {
  wait_loaded();
  const std::unique_lock one_at_a_time(control_mutex_, std::try_to_lock);
  if (!one_at_a_time) throw Error(EBUSY, folder() + "/ctl: another word is being carried out");
  if (word == "reset") {
    reset();
  } else if (word == "verify") {
    verify(caller);
  } else if (word == "freeze") {
    freeze();
  } else {
    throw Error(EINVAL, "{}/ctl: \"{}\" is no word of ctl; reset, verify and freeze are", folder(),
                clean_text(word));
  }
}

void Vm::close_all_doors() {
  const auto disks = all_disks();
  for (std::size_t i = 0; i < disks.size(); ++i) {
    try {
      disks[i]->close_door();
    } catch (const Error&) {
      while (i > 0) disks[--i]->open_door();
      throw;
    }
  }
}

VmState& Vm::state_to_reset() {
  const std::lock_guard lock(mutex_);
  if (!state_) throw Error(EIO, folder() + " has no state to reset");
  return *state_;  // control_mutex_ is held: nobody else changes it
}

/// What was written is gone before the source is looked at: it may be the source that is new. Then
/// the state, too, has to be the new one's, or the next mount calls it stale.
void Vm::reset() {
  VmState& state = state_to_reset();
  close_all_doors();
  forget_content();
  for (const auto& disk : all_disks()) disk->drop_overlay();
  std::vector<Error> failures;
  std::vector<View> views = open_views(failures);
  const std::string identity = identity_of(views);
  if (identity != state.record().identity && std::ranges::all_of(views, &View::operator bool)) {
    const std::lock_guard lock(mutex_);
    state.start_over(state_record(identity));
    attributes_->clear();
  }
  auto disks = open_disks(std::move(views), failures, state);
  {
    const std::lock_guard lock(mutex_);
    disks_.swap(disks);
    identity_ = identity;
  }
  inspection_.attach(state.folder(), identity);
  forget_content();
}

/// What was read so far, and what somebody reads at this moment, is of other disks.
void Vm::forget_content() {
  gate_.change_everything();
  inspection_.forget();
  guest_files_.forget();
}

/// All or none.
void Vm::freeze() {
  for (const auto& disk : all_disks()) disk->check_freezable();
  for (const auto& disk : all_disks()) disk->freeze();
}

void Vm::verify(const Caller& caller) {
  if (verifying_.exchange(true)) throw Error(EBUSY, folder() + " is being verified already");
  integrity_.set({"checking", "every grain is inflated and checked", 0});
  auto work = std::make_shared<std::packaged_task<VerifyReport()>>([this] {
    const struct Done {
      ~Done() { flag = false; }
      std::atomic<bool>& flag;
    } done{verifying_};
    return verify_disks();
  });
  std::future<VerifyReport> report = work->get_future();
  verifier_ = std::jthread([work](const std::stop_token&) { (*work)(); });
  if (wait_for(report, caller).grains_damaged) {
    throw Error(EIO, folder() + ": " + integrity_.result().what);
  }
}

VerifyReport Vm::verify_disks() try {
  VerifyReport total;
  for (const auto& disk : all_disks()) {
    if (!disk->view()) continue;
    const VerifyReport one = disk->view()->verify([this] { return stopping_.load(); });
    total.grains_checked += one.grains_checked;
    total.grains_damaged += one.grains_damaged;
    if (total.first_damage.empty()) total.first_damage = one.first_damage;
  }
  if (total.grains_damaged) {
    integrity_.set({"damaged",
                    fmt::format("{} of {} grains are damaged; the first: {}", total.grains_damaged,
                                total.grains_checked, total.first_damage),
                    0});
  } else {
    integrity_.set(
        {"good", fmt::format("{} grains were inflated and checked", total.grains_checked), 0});
  }
  return total;
} catch (const Error& e) {
  integrity_.set({"unchecked", e.sentence(), 0});
  throw;
}

InspectionTexts Vm::inspect(const std::stop_token& stop) const {
  const auto disks = all_disks();
  for (const auto& disk : disks) {
    if (!disk->failure().empty()) {
      throw Error(EIO, "{} cannot be read: {}", disk->file_name(), disk->failure());
    }
  }
  return context_.inspect(spec(), disks, stop);
}

void Vm::stop() {
  stopping_ = true;
  gate_.stop();
}

void Vm::note_data_access() {
  if (options_.verify == convert::VerifyChoice::manifest) integrity_.start_once();
}

void Vm::flush() {
  for (const auto& disk : all_disks()) {
    try {
      disk->barrier();
    } catch (const Error& e) {
      log::error("{}/{}: {}", folder(), disk->file_name(), e.sentence());
    }
  }
}

}  // namespace v2vfs::fs
