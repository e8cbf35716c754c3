// SPDX-License-Identifier: MIT
#include "fs/vm_work.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "convert/guest/conversion_json.h"
#include "fs/durable_file.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kBrokenPromise =
    "domain.xml was that of the converted guest when it was last read, and it cannot be converted: "
    "write serve-unconverted to ctl, and define domain.xml anew";

/// A disk of the mount, as a run lies over it.
class MountedDisk : public PromotableDisk {
 public:
  explicit MountedDisk(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}

  std::uint64_t bytes() const override { return disk_->bytes(); }
  void read(std::uint64_t offset, std::span<std::byte> out) override {
    if (disk_->read(offset, out) == out.size()) return;
    throw Error(EIO, "{}: shorter than it was", disk_->file_name());
  }
  Stretch stretch_at(std::uint64_t offset) override {
    const convert::Stretch stretch = disk_->stretch_at(offset);
    return {stretch.end, stretch.is_hole};
  }
  std::uint64_t cold_end() const override { return disk_->cold_end(); }
  std::uint64_t tail_begin() const override { return disk_->tail_begin(); }
  bool may_grow() const override { return disk_->tail_begin() == UINT64_MAX; }
  void prepare() override { disk_->prepare_to_write(); }
  void write(std::uint64_t offset, std::span<const std::byte> in) override {
    disk_->write(offset, in);
  }
  void punch(std::uint64_t offset, std::uint64_t length) override { disk_->punch(offset, length); }
  void barrier() override { disk_->barrier(); }

 private:
  const std::shared_ptr<Disk> disk_;
};

bool is_written(Disk& disk) {
  return disk.overlay_bytes() > 0 || (disk.view() && disk.bytes() != disk.view()->file_bytes());
}

/// Of a guest that no appliance has looked into.
WorkResult nothing_to_convert() {
  convert::ConversionPlan plan;
  plan.reason = "nothing that a Linux could lie in is on its disks";
  return {WorkOutcome::unsupported, "", convert::conversion_json(plan), ""};
}

std::string sentence_of(const std::exception& e) {
  const auto* error = dynamic_cast<const Error*>(&e);
  return error ? error->sentence() : e.what();
}

}  // namespace

bool settle(Staging& staging, EditJournal& journal,
            const std::function<std::uint64_t()>& before_change) {
  const std::optional<RunRecord> committed = staging.committed();
  if (committed) {
    const std::uint64_t changes = before_change();
    staging.roll_forward();
    if (journal.open_runs().contains(committed->run)) journal.applied_by(committed->run);
    staging.end(changes);
  } else {
    staging.drop();
  }
  for (const std::uint64_t run : journal.open_runs()) journal.release(run);
  return committed.has_value();
}

VmWork::VmWork(std::string vm, Gate& gate, WorkQueue* queue, GuestFiles& files,
               WithGuest with_guest, ConversionOutlook& outlook, Wishes wishes)
    : vm_(std::move(vm)),
      gate_(gate),
      queue_(queue),
      files_(files),
      with_guest_(std::move(with_guest)),
      outlook_(outlook),
      wishes_(wishes) {}

/// What cannot be settled now is tried again when the work is: until then nobody has content.
void VmWork::attach(const std::string& state_folder, Io& io, Disks disks) {
  disks_ = std::move(disks);
  Staging::Disks promotable;
  for (const auto& disk : disks_) promotable.push_back(std::make_shared<MountedDisk>(disk));
  staging_ = std::make_unique<Staging>(io, state_folder, std::move(promotable));
  work_folder_ = state_folder + "/staging/work";
  try {
    settle_disks();
    remember_last();
  } catch (const Error& e) {
    log::error("{}: {}", vm_, e.sentence());
  }
  gate_.serve([this](Work work) { start(work); }, memory());
}

/// A guest that has run on the source's hardware keeps it until somebody says otherwise: it is
/// defined somewhere. So does one whose disks are for ever what they are.
Admission::Memory VmWork::memory() {
  using Decision = ConversionRecord::Decision;
  const ConversionRecord record = outlook_.record();
  const RunRecord last = this->last();
  Admission::Memory memory;
  memory.pending_edits = files_.journal().all().size();
  memory.written = last.run
                       ? gate_.changes() != last.changes
                       : std::ranges::any_of(disks_, [](const auto& d) { return is_written(*d); });
  memory.serve_failed = wishes_.serve_failed;
  {
    const std::lock_guard lock(mutex_);
    if (record.decision == Decision::unsupported) fruitless_ = record.conversion;
  }
  const bool frozen = std::ranges::any_of(disks_, [](const auto& disk) { return disk->frozen(); });
  if (!last.outcome.empty()) {
    memory.conversion = Conversion::done;
  } else if (record.decision == Decision::unsupported) {
    memory.conversion = record.promised ? Conversion::failed : Conversion::unsupported;
    if (record.promised) memory.failure = kBrokenPromise;
  } else if (wishes_.convert && record.decision == Decision::open && !memory.written && !frozen) {
    memory.conversion = Conversion::wanted;
  }
  return memory;
}

void VmWork::remember_last() {
  RunRecord last = staging_->promoted().value_or(RunRecord{});
  const std::lock_guard lock(mutex_);
  last_ = std::move(last);
}

RunRecord VmWork::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::string VmWork::fruitless_conversion() const {
  const std::lock_guard lock(mutex_);
  return fruitless_;
}

/// Disks of which only some, or parts, are what the run made of them are nobody's content.
bool VmWork::settle_disks() {
  blocked_ = false;
  for (const auto& disk : disks_) disk->unblock();
  try {
    return settle(*staging_, files_.journal(), [this] {
      check_disks();
      gate_.change_everything();
      files_.forget_disks();
      return gate_.changes();
    });
  } catch (const Error& e) {
    if (!is_committed()) throw;  // nothing of the disks has changed
    const Error blocked(EIO,
                        "what was made of the guest cannot be brought into its disks: {}. "
                        "Mend that, and write apply to ctl or mount again",
                        e.sentence());
    for (const auto& disk : disks_) disk->block(blocked);
    blocked_ = true;
    throw blocked;
  }
}

bool VmWork::is_committed() const try {
  return staging_->committed().has_value();
} catch (const Error&) {
  return true;  // nobody knows
}

void VmWork::check_disks() const {
  for (const auto& disk : disks_) {
    if (!disk->failure().empty()) {
      throw Error(EIO, "{} cannot be read: {}", disk->file_name(), disk->failure());
    }
    if (disk->frozen()) throw Error(EROFS, "{} was frozen with ctl freeze", disk->file_name());
  }
}

/// A guest that is no Linux waits for no appliance.
void VmWork::start(Work work) {
  if (work != Work::converter || looks_closely_.exchange(false)) {
    return queue_->add([this, work] { run(work); });
  }
  outlook_.when_known([this](bool may_hold_linux) {
    if (may_hold_linux) return queue_->add([this] { run(Work::converter); });
    end(Work::converter, nothing_to_convert());
  });
}

void VmWork::settle_if_blocked() {
  const std::lock_guard lock(working_);
  if (!blocked_) return;
  settle_disks();
  remember_last();
}

void VmWork::forget() {
  staging_->forget();
  const std::lock_guard lock(mutex_);
  last_ = {};
  fruitless_.clear();
}

void VmWork::run(Work work) {
  WorkResult result;
  try {
    result = attempt(work);
  } catch (const std::exception& e) {
    result.outcome = stop_.stop_requested() ? WorkOutcome::ended : WorkOutcome::failed;
    result.why = sentence_of(e);
  }
  stage_ = nullptr;
  if (work == Work::converter) note_fruitless(result);
  end(work, std::move(result));
}

/// Whoever was given the domain of a converted guest must not start that of another one.
void VmWork::note_fruitless(WorkResult& result) {
  using Decision = ConversionRecord::Decision;
  if (result.outcome != WorkOutcome::unsupported) return;
  try {
    outlook_.decide(Decision::unsupported, result.conversion);
  } catch (const Error& e) {
    log::warning("{}: what was found out is not kept: {}", vm_, e.sentence());
  }
  if (!outlook_.record().promised) return;
  result.outcome = WorkOutcome::failed;
  result.why += std::string(". ") + kBrokenPromise;
}

void VmWork::end(Work work, WorkResult result) {
  if (work == Work::converter) {
    const std::lock_guard lock(mutex_);
    const bool says_why =
        result.outcome != WorkOutcome::promoted && result.outcome != WorkOutcome::not_clean;
    fruitless_ = says_why ? result.conversion : "";
    was_refused_ = result.outcome == WorkOutcome::not_clean;
  }
  if (!result.why.empty()) log::warning("{}: {}", vm_, clean_text(result.why, 4096));
  gate_.finish(result.outcome, std::move(result.why));
}

/// A number is given again only after a run that left nothing.
WorkResult VmWork::attempt(Work work) {
  const std::lock_guard lock(working_);
  settle_disks();  // of a run that could not be brought in before
  WorkInput input;
  input.last = staging_->promoted().value_or(RunRecord{});
  input.may_have_run = gate_.may_have_run();
  input.forced = gate_.forced();
  input.edits = files_.journal().take(input.last.run + 1);
  if (work == Work::applier && input.edits.empty()) return {WorkOutcome::nothing, "", "", ""};
  try {
    return make_run(work, std::move(input));
  } catch (const Error&) {
    // A manifest that could be neither made durable nor taken away counts.
    if (settle_disks()) return {};
    throw;
  }
}

WorkResult VmWork::make_run(Work work, WorkInput input) {
  check_disks();
  WorkResult result;
  const auto change = [&](inspect::Guest& guest, const inspect::InspectOptions& options) {
    input.options = options;
    result = changes_.at(work)(guest, input);
  };
  stage_ = "starting an appliance";
  input.on_stage = [this](const char* stage) { stage_ = stage; };
  const auto disks = staging_->begin();
  make_private_folder(work_folder_);
  input.work_folder = work_folder_;
  const auto say_what_a_disk_said = [&] {  // what the guest saw of it is an I/O error
    for (const auto& disk : disks) {
      if (const auto failure = disk->failure()) throw *failure;
    }
  };
  try {
    with_guest_(disks, change, stop_.get_token());
  } catch (const Error&) {
    say_what_a_disk_said();
    throw;
  }
  if (result.outcome == WorkOutcome::failed) say_what_a_disk_said();
  if (result.outcome == WorkOutcome::promoted) {
    stage_ = "committing";
    staging_->commit({input.last.run + 1, result.conversion, result.capabilities, {}, 0});
  }
  settle_disks();
  remember_last();
  return result;
}

}  // namespace v2vfs::fs
