// SPDX-License-Identifier: MIT
#include "fs/gate.h"

#include <cerrno>
#include <charconv>
#include <ctime>
#include <utility>

#include "fs/durable_file.h"
#include "fs/state_dir.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

/// A count that no look has seen: what was found so far is found again, and the disks are served.
std::uint64_t start_anew() { return static_cast<std::uint64_t>(::time(nullptr)) << 20; }

std::uint64_t read_changes(const std::string& folder) {
  const std::optional<std::string> text = read_small_file(folder, kChangesFile);
  if (!text) return 0;
  const std::string_view digits = trim(*text);
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    log::warning("{}/{} is damaged: it does not hold a number. It is started anew", folder,
                 kChangesFile);
    return start_anew();
  }
  return count;
}

}  // namespace

Gate::Pass::Pass(Pass&& other) noexcept
    : gate_(std::exchange(other.gate_, nullptr)), handle_(other.handle_) {}

Gate::Pass::~Pass() {
  if (gate_) gate_->close(handle_);
}

Gate::Look::Look(Gate& gate, std::stop_token stop, std::uint64_t changes)
    : gate_(gate), stop_(std::move(stop)), changes_(changes) {}

Gate::Look::~Look() { gate_.end_look(); }

void Gate::attach(const StateFolder& folder) {
  const std::lock_guard lock(mutex_);
  folder_ = folder;
  changes_ = read_changes(folder.path());
}

void Gate::serve(StartWork start_work, Admission::Memory memory) {
  const std::lock_guard lock(mutex_);
  start_work_ = std::move(start_work);
  admission_.remember(std::move(memory));
}

/// With the lock held. A stop callback kills a process; it takes no lock of ours. What a look finds
/// while work runs would be of disks that are about to change: its appliance is given up.
void Gate::carry_out(const Ruling& ruling) {
  if (ruling.end_look || ruling.start != Work::none) look_stop_.request_stop();
  if (ruling.start != Work::none) start_work_(ruling.start);
  if (ruling.kind == Ruling::Kind::wait) throw NotYet{next_end_};
  if (ruling.kind == Ruling::Kind::refuse) {
    throw Error(ruling.error_number, vm_ + ": " + ruling.sentence);
  }
}

Gate::Pass Gate::open_reader(pid_t pid, Shape shape) {
  const std::lock_guard lock(mutex_);
  const Ruling ruling = admission_.open_reader(pid, shape);
  carry_out(ruling);
  return {*this, ruling.handle};
}

Gate::Pass Gate::open_writer(pid_t pid, Shape shape) {
  const std::lock_guard lock(mutex_);
  const Ruling ruling = admission_.open_writer(pid, shape);
  carry_out(ruling);
  return {*this, ruling.handle};
}

void Gate::first_access(const Pass& pass, Shape now) {
  const std::lock_guard lock(mutex_);
  carry_out(admission_.first_access(pass.handle_, now));
}

/// With the lock held.
void Gate::count_change() {
  if (counted_) return;
  if (folder_) {
    write_durably(folder_->to_write_in(), kChangesFile, std::to_string(changes_ + 1) + "\n");
  }
  ++changes_;
  counted_ = true;
}

void Gate::wrote(const Pass& pass) {
  const std::lock_guard lock(mutex_);
  count_change();
  admission_.wrote(pass.handle_);
}

void Gate::wrote_without_handle() {
  const std::lock_guard lock(mutex_);
  carry_out(admission_.write_without_handle());
  count_change();
}

void Gate::close(Admission::HandleId handle) {
  const std::lock_guard lock(mutex_);
  admission_.close(handle);
}

std::optional<Gate::Pass> Gate::open_edit(pid_t pid, std::shared_ptr<Look>& look) {
  const std::lock_guard lock(mutex_);
  if (stopped_) throw Error(ENOTCONN, "the mount is going away");
  const Ruling ruling = admission_.open_edit(pid);
  if (ruling.start_look) {
    look = make_look();
    return std::nullopt;
  }
  carry_out(ruling);
  return Pass(*this, ruling.handle);
}

void Gate::edit_saved() {
  const std::lock_guard lock(mutex_);
  admission_.edit_saved();
}

void Gate::discard_edits() {
  const std::lock_guard lock(mutex_);
  carry_out(admission_.discard_edits());
}

/// The failure is that of the last try: whoever waits for one begins by starting it.
void Gate::apply_edits() {
  const std::lock_guard lock(mutex_);
  if (stopped_) throw Error(ENOTCONN, "the mount is going away");
  carry_out(admission_.demand_edits());
}

void Gate::convert() {
  const std::lock_guard lock(mutex_);
  if (stopped_) throw Error(ENOTCONN, "the mount is going away");
  carry_out(admission_.demand_conversion());
}

void Gate::serve_unconverted() {
  const std::lock_guard lock(mutex_);
  carry_out(admission_.serve_unconverted());
}

void Gate::force() {
  const std::lock_guard lock(mutex_);
  admission_.force();
}

bool Gate::may_have_run() const {
  const std::lock_guard lock(mutex_);
  const Admission::Books& books = admission_.books();
  return books.guest != Admission::Guest::untouched && !books.forced;
}

bool Gate::forced() const {
  const std::lock_guard lock(mutex_);
  return admission_.books().forced;
}

void Gate::finish(WorkOutcome outcome, std::string why) {
  const std::lock_guard lock(mutex_);
  if (admission_.finish(outcome, std::move(why))) look_stop_.request_stop();
  wake();
}

std::shared_ptr<Gate::Look> Gate::begin_look(std::optional<Error>& refusal) {
  const std::lock_guard lock(mutex_);
  if (stopped_) throw Error(ENOTCONN, "the mount is going away");
  const Ruling ruling = admission_.begin_look();
  if (ruling.kind == Ruling::Kind::refuse) {
    refusal.emplace(ruling.error_number, vm_ + ": " + ruling.sentence);
    return nullptr;
  }
  carry_out(ruling);
  return make_look();
}

/// With the lock held.
std::shared_ptr<Gate::Look> Gate::make_look() {
  counted_ = false;
  look_stop_ = {};
  return std::make_shared<Look>(*this, look_stop_.get_token(), changes_);
}

void Gate::look_says(const Look& look, bool shut_down) {
  const std::lock_guard lock(mutex_);
  if (look.stop().stop_requested()) return;
  admission_.look_says(shut_down);
  wake();
}

void Gate::change_everything() {
  const std::lock_guard lock(mutex_);
  look_stop_.request_stop();  // if there is one
  counted_ = false;
  count_change();
  counted_ = false;  // whoever writes next is another one
}

void Gate::start_over() {
  const std::lock_guard lock(mutex_);
  carry_out(admission_.start_over());
}

void Gate::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  look_stop_.request_stop();
}

void Gate::end_look() {
  const std::lock_guard lock(mutex_);
  admission_.look_ended();
  wake();
}

/// With the lock held: those who are woken run on threads of their own.
void Gate::wake() { std::exchange(next_end_, std::make_shared<Event>())->happen(); }

std::uint64_t Gate::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

Gate::Standing Gate::standing() const {
  const std::lock_guard lock(mutex_);
  const Admission::Books& books = admission_.books();
  const bool left_running = books.guest == Admission::Guest::dirty && !books.forced;
  return {books.running,
          admission_.waiting_for(),
          books.edit_failure,
          left_running,
          books.conversion,
          books.failure,
          admission_.expects_conversion()};
}

bool Gate::content_may_change() const {
  const std::lock_guard lock(mutex_);
  return admission_.content_may_change();
}

}  // namespace v2vfs::fs
