// SPDX-License-Identifier: MIT
#include "fs/guest_files.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include "fs/durable_file.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

using std::chrono::steady_clock;

/// How long a job waits for the next question, and how long it goes on where they do not cease.
constexpr std::chrono::milliseconds kLinger(300);
constexpr std::chrono::seconds kTurn(20);

}  // namespace

GuestFiles::GuestFiles(std::string vm, Gate& gate, WorkQueue* queue, Open open,
                       GuestViewOptions options, std::function<void()> check_editable)
    : vm_(std::move(vm)),
      gate_(gate),
      queue_(queue),
      open_(std::move(open)),
      options_(options),
      check_editable_(std::move(check_editable)),
      cache_([this](GuestCache::Question question) { ask(std::move(question)); }) {}

void GuestFiles::attach(const std::string& folder, Io& io) {
  edits_folder_ = folder + "/edits";
  journal_.emplace(edits_folder_, io);
  if (const auto damage = journal_->damage()) log::error("{}: {}", vm_, damage->sentence());
  view_.emplace(cache_, *journal_, options_);
  const std::lock_guard lock(mutex_);
  known_changes_ = gate_.changes();
}

void GuestFiles::forget() {
  cache_.forget();
  discard_edits();
}

void GuestFiles::discard_edits() {
  if (journal_ && (journal_->damage() || has_edits())) journal_->discard();
}

void GuestFiles::list_edits(std::vector<std::string>& pending,
                            std::vector<std::string>& applied) const {
  if (!journal_) return;
  for (const JournalEntry& entry : journal_->all()) pending.push_back(entry.path);
  applied = journal_->applied();
}

GuestView& GuestFiles::view() {
  if (!view_) throw Error(EIO, "{} has no state", vm_);
  const std::lock_guard lock(mutex_);
  if (const std::uint64_t changes = gate_.changes(); changes != known_changes_) {
    cache_.forget();
    known_changes_ = changes;
  }
  if (!gate_.standing().expects_conversion) view_->show_plan(nullptr);
  return *view_;
}

GuestView& GuestFiles::view_to_change() {
  GuestView& all = view();
  make_private_folder(edits_folder_);
  return all;
}

Gate::Pass GuestFiles::begin_edit(pid_t pid) {
  if (options_.read_only) throw Error(EROFS, "guest/ is read-only");
  if (check_editable_) check_editable_();
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Gate::Look> look;
  std::optional<Gate::Pass> pass = gate_.open_edit(pid, look);
  if (pass) return std::move(*pass);
  start(std::move(look));
  throw NotYet{said_};
}

/// A change that came to nothing waits for no work.
void GuestFiles::count_edit(const std::function<void()>& change) {
  const std::uint64_t before = journal_->generation();
  change();
  if (journal_->generation() != before) gate_.edit_saved();
}

void GuestFiles::edit(const std::function<void(GuestView&)>& change) {
  const Gate::Pass pass = begin_edit(0);
  GuestView& all = view_to_change();
  count_edit([&] { change(all); });
}

void GuestFiles::save(OpenGuestFile& file) {
  view_to_change();
  count_edit([&] { file.save(); });
}

/// Never returns: whoever asks comes again when there is an answer.
void GuestFiles::ask(GuestCache::Question question) {
  const std::lock_guard lock(mutex_);
  if (running_ && running_changes_ != gate_.changes()) throw NotYet{running_};
  if (!running_) {
    std::optional<Error> refusal;
    std::shared_ptr<Gate::Look> look = gate_.begin_look(refusal);
    if (!look) throw *refusal;
    start(std::move(look));
  }
  questions_.push_back({std::move(question), std::make_shared<Event>()});
  signal_.notify_one();
  throw NotYet{questions_.back().answered};
}

/// With the lock held. No look of ours runs: the last one gave up `running_` before its look.
void GuestFiles::start(std::shared_ptr<Gate::Look> look) {
  running_ = std::make_shared<Event>();
  said_ = std::make_shared<Event>();
  running_changes_ = look->changes();
  queue_->add([this, look = std::move(look), said = said_]() mutable {
    run(std::move(look), std::move(said));
  });
}

/// What was not asked in this turn, or of a guest that had to be given up, is asked again.
void GuestFiles::run(std::shared_ptr<Gate::Look> look, std::shared_ptr<Event> said) {
  std::optional<Error> failure;
  try {
    const std::unique_ptr<MountedGuest> guest = open_(look->changes(), look->stop());
    gate_.look_says(*look, guest->shut_down());
    view_->show_plan(guest->planned());
    said->happen();
    serve(guest->guest(), look->stop());
  } catch (const Error& e) {
    failure.emplace(e.error_number() == ECANCELED ? EIO : e.error_number(),
                    clean_text(vm_) + "/guest cannot be read: " + e.sentence());
  } catch (const std::exception& e) {
    failure.emplace(EIO, clean_text(vm_) + "/guest cannot be read: " + e.what());
  }
  if (look->stop().stop_requested()) failure.reset();
  std::deque<Asked> left;
  std::shared_ptr<Event> ended;
  {
    const std::lock_guard lock(mutex_);
    left.swap(questions_);
    ended = std::exchange(running_, nullptr);
  }
  look.reset();
  ended->happen();
  left.push_back({nullptr, std::move(said)});
  for (const Asked& asked : left)
    failure ? asked.answered->fail(*failure) : asked.answered->happen();
}

std::optional<GuestFiles::Asked> GuestFiles::next_question(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const bool some = signal_.wait_for(lock, stop, kLinger, [this] { return !questions_.empty(); });
  if (!some || stop.stop_requested()) return std::nullopt;
  Asked asked = std::move(questions_.front());
  questions_.pop_front();
  return asked;
}

void GuestFiles::serve(inspect::Guest& guest, const std::stop_token& stop) {
  const auto end_of_turn = steady_clock::now() + kTurn;
  while (steady_clock::now() < end_of_turn) {
    const std::optional<Asked> asked = next_question(stop);
    if (!asked) return;
    try {
      asked->question(guest);
    } catch (const Error& e) {
      stop.stop_requested() ? asked->answered->happen() : asked->answered->fail(e);
      continue;
    } catch (const std::exception& e) {
      asked->answered->fail(Error(EIO, clean_text(vm_) + "/guest: " + e.what()));
      continue;
    }
    asked->answered->happen();
  }
}

}  // namespace v2vfs::fs
