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
  if (status.failure.empty()) status.failure = disk.trouble();
  status.holders = disk.holders();
  return status;
}

/// A signal to the caller ends the wait (EINTR), not the work.
void wait_for(const Event& event, const Caller& caller, const std::atomic<bool>& stopping) {
  while (!event.ended()) {
    if (stopping) throw Error(ENOTCONN, "the mount is going away");
    if (caller.interrupted()) throw Error(EINTR, "the wait was ended; the work goes on");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
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
  if (!any_served) return "unusable";
  const Gate::Standing standing = gate_.standing();
  if (standing.running == Work::converter) return "converting";
  switch (standing.conversion) {
    case Conversion::done:
      return "converted";
    case Conversion::unsupported:
      return "unsupported";
    case Conversion::failed:
      return "failed";
    case Conversion::none:
    case Conversion::wanted:
      break;
  }
  return "unconverted";
}

VmStatus Vm::status() {
  VmStatus status;
  // A disk that waits for its source must not make mutex_, which LOOKUP needs, wait too.
  for (const auto& disk : all_disks()) status.disks.push_back(status_of(*disk));
  const std::lock_guard lock(mutex_);
  status.vm = folder();
  status.assumptions = spec().assumptions;
  status.assumptions.insert(status.assumptions.end(), guesses_.begin(), guesses_.end());
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
  if (loaded_) add_edits_to(status);
  if (const auto failure = inspection_.failure(); failure && !status.failure) {
    status.failure = {"inspection-failed", failure->sentence(),
                      "mend what is named; it is tried again when inspection.json is next opened"};
  }
  return status;
}

/// A failure of edits comes after one of the disks.
void Vm::add_edits_to(VmStatus& status) const {
  const Gate::Standing standing = gate_.standing();
  if (standing.running == Work::applier) status.stage = "applying";
  if (standing.running == Work::converter) {
    const char* const stage = work_.stage();
    status.stage = stage ? stage : "waiting for an appliance";
  }
  guest_files_.list_edits(status.pending_edits, status.applied_edits);
  if (!status.pending_edits.empty()) status.waiting_for = standing.waiting_for;
  if (status.failure) return;
  if (standing.conversion == Conversion::failed) {
    status.failure = {"conversion-failed", standing.failure,
                      "mend what is named and write convert to ctl, or serve-unconverted, which "
                      "serves the guest as it was"};
  } else if (!standing.edit_failure.empty()) {
    status.failure = {
        "edits-failed", standing.edit_failure,
        "mend what is named and write apply to ctl, or discard-edits, which drops all "
        "edits that wait"};
  } else if (standing.not_shut_down &&
             (!status.pending_edits.empty() || work_.conversion_was_refused())) {
    status.failure = {"not-shut-down",
                      "the guest was not shut down when the VM last ran, or does not say so: "
                      "nothing is changed in it",
                      "start the VM and shut it down, or, where it is off and its memory is not "
                      "saved, write force to ctl"};
  }
}

void Vm::control(const std::string& word, const Caller& caller) {
  wait_loaded();
  const std::unique_lock one_at_a_time(control_mutex_, std::try_to_lock);
  if (!one_at_a_time) throw Error(EBUSY, folder() + "/ctl: another word is being carried out");
  if (word == "reset") {
    reset();
  } else if (word == "apply") {
    apply_edits(caller);
  } else if (word == "convert") {
    work_.look_closely();
    convert(caller);
  } else if (word == "serve-unconverted") {
    serve_unconverted();
  } else if (word == "discard-edits") {
    discard_edits();
  } else if (word == "force") {
    gate_.force();
  } else if (word == "verify") {
    verify(caller);
  } else if (word == "freeze") {
    freeze(caller);
  } else {
    throw Error(EINVAL, "{}/ctl: \"{}\" is no word of ctl; these are: {}", folder(),
                clean_text(word), kControlWords);
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
  try {
    gate_.start_over();
  } catch (const Error&) {
    for (const auto& disk : all_disks()) disk->open_door();
    throw;
  }
  work_.forget();
  outlook_.forget();
  forget_content();
  for (const auto& disk : all_disks()) disk->drop_overlay();
  std::vector<Error> failures;
  std::vector<View> views = open_views(failures);
  const std::string identity = identity_of(views);
  std::vector<std::string> guesses = guesses_of(views);
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
    guesses_ = std::move(guesses);
  }
  inspection_.attach(state.folder(), identity + inspection_key());
  outlook_.attach(state.folder(), conversion_key(), all_disks());
  work_.attach(state.folder().path(), *state_io_, all_disks());
  forget_content();
}

/// What was read so far, and what somebody reads at this moment, is of other disks.
void Vm::forget_content() {
  gate_.change_everything();
  snapshots_.forget();
  inspection_.forget();
  guest_files_.forget();
}

/// The words that start nothing are done at once; this one waits until every edit is in the disks.
void Vm::apply_edits(const Caller& caller) {
  work_.settle_if_blocked();
  for (bool waited = false;; waited = true) {
    std::shared_ptr<Event> event;
    if (const auto failure = gate_.standing().edit_failure; waited && !failure.empty()) {
      throw Error(EIO, folder() + ": " + failure);
    }
    try {
      return gate_.apply_edits();
    } catch (const NotYet& not_yet) {
      event = not_yet.event;
    }
    wait_for(*event, caller, stopping_);
  }
}

/// What became of a conversion that was started here.
void Vm::expect_converted() const {
  const Gate::Standing standing = gate_.standing();
  switch (standing.conversion) {
    case Conversion::done:
      return;
    case Conversion::failed:
      throw Error(EIO, folder() + ": " + standing.failure);
    case Conversion::unsupported:
      throw Error(EOPNOTSUPP,
                  "{} cannot be converted and is served as it is; conversion.json says why",
                  folder());
    case Conversion::none:
    case Conversion::wanted:
      if (!standing.edit_failure.empty()) throw Error(EIO, folder() + ": " + standing.edit_failure);
      throw Error(EBUSY, "{} was not converted: {}", folder(),
                  standing.not_shut_down ? "it was not shut down, or does not say so: start it and "
                                           "shut it down, or write force to ctl"
                                         : "its disks were needed");
  }
}

void Vm::convert(const Caller& caller) {
  work_.settle_if_blocked();
  for (bool started = false;;) {
    std::shared_ptr<Event> event;
    if (started && gate_.standing().running != Work::converter) return expect_converted();
    try {
      return gate_.convert();
    } catch (const NotYet& not_yet) {
      event = not_yet.event;
    }
    started |= gate_.standing().running == Work::converter;
    wait_for(*event, caller, stopping_);
  }
}

/// Durably: it stays as it is at the next mount too.
void Vm::serve_unconverted() {
  gate_.serve_unconverted();
  outlook_.decide(ConversionRecord::Decision::serve);
}

/// What somebody builds on is what everybody gets to see.
void Vm::convert_first(const Caller& caller) {
  if (!gate_.standing().expects_conversion) return;
  try {
    convert(caller);
  } catch (const Error& e) {
    if (e.error_number() != EOPNOTSUPP) throw;  // else it is served as it is
  }
}

/// The journal refuses while a run has some of them.
void Vm::discard_edits() {
  if (work_.blocked()) throw Error(EIO, folder() + ": the edits are partly in its disks already");
  guest_files_.discard_edits();
  gate_.discard_edits();
}

/// The edits' journal expects the state's folder.
void Vm::prepare_to_edit() const {
  for (const auto& disk : all_disks()) {
    if (!disk->failure().empty()) throw Error(EIO, disk->file_name() + ": " + disk->failure());
    if (disk->frozen()) throw Error(EROFS, disk->file_name() + " was frozen with ctl freeze");
  }
  const std::lock_guard lock(mutex_);
  if (state_) state_->folder().to_write_in();
}

/// All or none.
void Vm::freeze(const Caller& caller) {
  convert_first(caller);
  if (gate_.standing().running != Work::none || guest_files_.has_edits()) {
    throw Error(EBUSY, folder() +
                           " has edits of guest files that wait: write apply or "
                           "discard-edits to ctl first");
  }
  for (const auto& disk : all_disks()) disk->check_freezable();
  for (const auto& disk : all_disks()) disk->freeze();
}

/// Nothing is said of a source that is not the one that is served, or is not there.
void Vm::expect_source() {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) throw *failure_;
    if (state_ && !state_->stale.empty()) throw Error(ESTALE, state_->stale);
  }
  for (const auto& disk : all_disks()) {
    if (!disk->failure().empty()) throw Error(EIO, disk->file_name() + ": " + disk->failure());
    disk->check_source();
  }
}

void Vm::verify(const Caller& caller) {
  expect_source();
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
  } else if (total.grains_checked == 0) {
    integrity_.set({"unchecked", "no grain is deflated: the disks have no checksums", 0});
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
  return context_.inspect(folder(), whole_spec(), options_.guest_choice, conversion_options(),
                          disks, stop);
}

void Vm::stop() {
  stopping_ = true;
  snapshots_.stop();
  gate_.stop();
  work_.stop();
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
