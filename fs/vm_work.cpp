// SPDX-License-Identifier: MIT
#include "fs/vm_work.h"

#include <cerrno>
#include <utility>

#include "fs/durable_file.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

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
               WithGuest with_guest)
    : vm_(std::move(vm)),
      gate_(gate),
      queue_(queue),
      files_(files),
      with_guest_(std::move(with_guest)) {}

/// What cannot be settled now is tried again when the work is: until then nobody has content.
void VmWork::attach(const std::string& state_folder, Io& io, Disks disks) {
  disks_ = std::move(disks);
  Staging::Disks promotable;
  for (const auto& disk : disks_) promotable.push_back(std::make_shared<MountedDisk>(disk));
  staging_ = std::make_unique<Staging>(io, state_folder, std::move(promotable));
  work_folder_ = state_folder + "/staging/work";
  bool written = gate_.changes() > 0;
  try {
    settle_disks();
    const std::optional<RunRecord> last = staging_->promoted();
    if (last) written = last->changes != gate_.changes();
    remember_last();
  } catch (const Error& e) {
    log::error("{}: {}", vm_, e.sentence());
  }
  gate_.serve([this](Work work) { start(work); }, files_.journal().all().size(), written,
              !last().outcome.empty());
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

void VmWork::start(Work work) {
  queue_->add([this, work] { run(work); });
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
  if (work == Work::converter) {
    const std::lock_guard lock(mutex_);
    fruitless_ = result.outcome == WorkOutcome::promoted ? "" : result.conversion;
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
  const auto disks = staging_->begin();
  make_private_folder(work_folder_);
  input.work_folder = work_folder_;
  try {
    with_guest_(disks, change, stop_.get_token());
  } catch (const Error&) {
    for (const auto& disk : disks) {  // what the guest saw of it is an I/O error
      if (const auto failure = disk->failure()) throw *failure;
    }
    throw;
  }
  if (result.outcome == WorkOutcome::promoted) {
    staging_->commit({input.last.run + 1, result.conversion, result.capabilities, {}, 0});
  }
  settle_disks();
  remember_last();
  return result;
}

}  // namespace v2vfs::fs
