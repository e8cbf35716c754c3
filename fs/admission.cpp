// SPDX-License-Identifier: MIT
#include "fs/admission.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace v2vfs::fs {
namespace {

Ruling proceed() { return {}; }

Ruling wait() {
  Ruling ruling;
  ruling.kind = Ruling::Kind::wait;
  return ruling;
}

Ruling refuse(int error_number, std::string sentence) {
  Ruling ruling;
  ruling.kind = Ruling::Kind::refuse;
  ruling.error_number = error_number;
  ruling.sentence = std::move(sentence);
  return ruling;
}

Ruling not_shut_down() {
  return refuse(
      EBUSY,
      "the guest was not shut down when the VM last ran, or does not say so: start it and "
      "shut it down, or, where it is off and its memory is not saved, write force to ctl");
}

}  // namespace

std::size_t Admission::count(Kind kind) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      handles_, [&](const auto& entry) { return entry.second.kind == kind; }));
}

std::size_t Admission::bound_readers() const {
  return static_cast<std::size_t>(std::ranges::count_if(handles_, [](const auto& entry) {
    return entry.second.kind == Kind::reader && entry.second.bound;
  }));
}

/// The smallest number that is free: a handle has one owner, who closes it once.
Admission::HandleId Admission::add(Held held) {
  HandleId id = 1;
  while (handles_.contains(id)) ++id;
  handles_.emplace(id, held);
  return id;
}

Work Admission::wanted_work() const {
  if (books_.conversion == Conversion::wanted) return Work::converter;
  return books_.pending_edits ? Work::applier : Work::none;
}

/// With the holders that are there, if nothing runs.
bool Admission::can_start() const {
  if (has_writer()) return false;
  if (rules_.no_work_under_readers && bound_readers() > 0) return false;
  if (!rules_.reader_keeps_nothing_out && books_.look != Look::none) return false;
  return !rules_.need_clean_guest || is_shut_down();
}

Ruling Admission::start(Work work) {
  books_.running = work;
  if (work == Work::converter) books_.before = books_.conversion;
  if (rules_.take_edits_at_start) books_.taken_edits = books_.pending_edits;
  Ruling ruling = wait();
  ruling.start = work;
  return ruling;
}

std::string Admission::holders_text() const {
  std::string text;
  for (const auto& [id, held] : handles_) {
    if (held.kind == Kind::edit || (held.kind == Kind::reader && !held.bound)) continue;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", held.pid);
  }
  return text;
}

std::vector<pid_t> Admission::waiting_for() const {
  std::vector<pid_t> pids;
  if (wanted_work() == Work::none || books_.running != Work::none) return pids;
  for (const auto& [id, held] : handles_) {
    if (held.kind == Kind::writer || held.bound) pids.push_back(held.pid);
  }
  return pids;
}

Ruling Admission::beside_holders(const char* what) const {
  if (!is_shut_down()) return not_shut_down();
  return refuse(EBUSY, fmt::format("{} while its disks are in use by process {}; close them first",
                                   what, holders_text()));
}

bool Admission::is_refused_after_failure() const {
  return rules_.refuse_after_failure && books_.conversion == Conversion::failed && !serve_failed_;
}

bool Admission::expects_conversion() const {
  return books_.conversion == Conversion::wanted || is_refused_after_failure();
}

bool Admission::content_may_change() const {
  return books_.running != Work::none || (wanted_work() != Work::none && can_start());
}

/// For whoever is about to have content. That nobody waits once there is a writer follows from
/// this.
Ruling Admission::content_ruling() {
  if (rules_.wait_for_running_work && books_.running != Work::none) return wait();
  if (is_refused_after_failure()) return refuse(EIO, books_.failure);
  if (!books_.edit_failure.empty()) return refuse(EIO, books_.edit_failure);
  const Work wanted = wanted_work();
  if (wanted == Work::none) return proceed();
  if (can_start()) return start(wanted);
  if (!rules_.wait_only_for_what_can_start) return wait();
  // A first conversion that cannot start: what is there now is not what the domain was made for.
  if (wanted == Work::converter) return beside_holders("the guest cannot be converted");
  return proceed();  // joins the generation in force; the edits stay pending
}

Ruling Admission::open_reader(pid_t pid, Shape shape) {
  Ruling ruling = proceed();
  ruling.handle = add({Kind::reader, pid, shape});
  return ruling;
}

bool Admission::order_end_of_look() {
  if (books_.look != Look::running) return false;
  books_.look = Look::to_be_ended;
  return true;
}

Ruling Admission::open_writer(pid_t pid, Shape shape) {
  Ruling ruling = content_ruling();
  if (ruling.kind != Ruling::Kind::proceed) return ruling;
  if (rules_.end_reader_for_writer) ruling.end_look = order_end_of_look();
  ruling.handle = add({Kind::writer, pid, shape});
  return ruling;
}

Ruling Admission::first_access(HandleId handle, Shape now) {
  Held& held = handles_.at(handle);
  if (held.bound) return proceed();
  Ruling ruling = held.kind == Kind::writer ? proceed() : content_ruling();
  if (ruling.kind != Ruling::Kind::proceed) return ruling;
  // Writers write into the cold zone themselves, several at once if they like.
  if (held.kind == Kind::writer) now.cold_changes = held.shape.cold_changes;
  if (rules_.stale_if_reshaped && held.shape != now) {
    return refuse(ESTALE, fmt::format("the disk was changed since it was opened ({} bytes then, {} "
                                      "now): open it again",
                                      held.shape.bytes, now.bytes));
  }
  held.bound = true;
  return ruling;
}

Ruling Admission::write_without_handle() {
  Ruling ruling = books_.running != Work::none ? wait() : proceed();
  if (ruling.kind == Ruling::Kind::proceed && !has_writer()) {
    if (is_refused_after_failure()) return refuse(EIO, books_.failure);
    if (wanted_work() == Work::converter) ruling = wait();
  }
  if (ruling.kind == Ruling::Kind::wait) {
    return refuse(EBUSY, "the guest is not converted yet: open the disk for writing, which waits");
  }
  if (rules_.look_again_after_writer) books_.guest = Guest::unknown;
  ruling.end_look = order_end_of_look();
  return ruling;
}

void Admission::wrote(HandleId handle) { handles_.at(handle).wrote = true; }

void Admission::close(HandleId handle) {
  const Held held = handles_.at(handle);
  handles_.erase(handle);
  if (!held.wrote) return;
  if (rules_.look_again_after_writer) books_.guest = Guest::unknown;
  books_.forced = false;
}

Ruling Admission::open_edit(pid_t pid) {
  if (rules_.no_edits_beside_a_writer && has_writer()) {
    return refuse(EBUSY, fmt::format("a VM may be running: process {} has its disks open for "
                                     "writing",
                                     holders_text()));
  }
  if (books_.guest == Guest::unknown && !books_.forced) {
    if (books_.running != Work::none || books_.look != Look::none) return wait();
    books_.look = Look::running;
    Ruling ruling = wait();
    ruling.start_look = true;
    return ruling;
  }
  if (rules_.need_clean_guest && !is_shut_down()) return not_shut_down();
  Ruling ruling = proceed();
  ruling.handle = add({Kind::edit, pid, {}});
  return ruling;
}

void Admission::remember(Memory memory) {
  books_.pending_edits = memory.pending_edits;
  books_.conversion = memory.conversion;
  books_.failure = std::move(memory.failure);
  serve_failed_ = memory.serve_failed;
  if (memory.written) books_.guest = Guest::unknown;
}

void Admission::edit_saved() {
  ++books_.pending_edits;
  books_.edit_failure.clear();  // it may be what was missing
}

Ruling Admission::discard_edits() {
  if (books_.running != Work::none) return refuse(EBUSY, "edits are being applied at this moment");
  books_.pending_edits = 0;
  books_.edit_failure.clear();
  return proceed();
}

Ruling Admission::begin_look() {
  if (has_writer()) {
    return refuse(EBUSY, fmt::format("a VM may be running: process {} has its disks open for "
                                     "writing",
                                     holders_text()));
  }
  if (books_.running != Work::none || books_.look != Look::none) return wait();
  books_.look = Look::running;
  return proceed();
}

void Admission::look_says(bool clean) {
  if (books_.look == Look::running && books_.guest == Guest::unknown) {
    books_.guest = clean ? Guest::clean : Guest::dirty;
  }
}

void Admission::look_ended() { books_.look = Look::none; }

Ruling Admission::demand(Work work) {
  if (books_.running != Work::none) return wait();
  if (!can_start()) return beside_holders("this cannot be done");
  return start(work);
}

Ruling Admission::demand_conversion() {
  if (books_.conversion == Conversion::done) return proceed();
  Ruling ruling = demand(Work::converter);
  if (ruling.start != Work::none) books_.conversion = Conversion::wanted;
  return ruling;
}

Ruling Admission::demand_edits() {
  if (books_.pending_edits == 0) return proceed();
  return demand(wanted_work());
}

bool Admission::finish(WorkOutcome outcome, std::string why) {
  const Work work = std::exchange(books_.running, Work::none);
  const Conversion before = std::exchange(books_.before, Conversion::none);
  const std::uint64_t taken =
      rules_.take_edits_at_start ? std::exchange(books_.taken_edits, 0) : books_.pending_edits;
  switch (outcome) {
    case WorkOutcome::promoted:
      books_.pending_edits -= taken;
      books_.edit_failure.clear();  // what is left will be tried
      if (work == Work::converter) books_.conversion = Conversion::done;
      if (books_.guest != Guest::untouched) books_.guest = Guest::clean;
      books_.forced = false;
      return rules_.end_reader_at_promotion && order_end_of_look();
    case WorkOutcome::unsupported:
      books_.conversion = Conversion::unsupported;
      return false;
    case WorkOutcome::failed:
      if (work == Work::converter) {
        books_.conversion = Conversion::failed;
        books_.failure = std::move(why);
      } else {
        books_.edit_failure = std::move(why);
      }
      return false;
    case WorkOutcome::edits_failed:
      books_.conversion = before;
      books_.edit_failure = std::move(why);
      return false;
    case WorkOutcome::not_clean:
      books_.guest = Guest::dirty;
      if (work == Work::converter) books_.conversion = before;
      return false;
    case WorkOutcome::nothing:
      books_.pending_edits -= taken;
      books_.edit_failure.clear();
      return false;
    case WorkOutcome::ended:
      if (work == Work::converter) books_.conversion = before;
      return false;
  }
  return false;
}

Ruling Admission::serve_unconverted() {
  if (books_.running == Work::converter) {
    return refuse(EBUSY, "it is being converted at this moment; try again when that is done");
  }
  if (books_.conversion == Conversion::done) {
    return refuse(EBUSY, "it is converted: write reset to ctl, which drops that");
  }
  books_.conversion = Conversion::none;
  books_.failure.clear();
  return proceed();
}

Ruling Admission::start_over() {
  if (books_.running != Work::none) {
    return refuse(EBUSY, "its disks are being changed at this moment; try again when that is done");
  }
  const Look look = books_.look;
  books_ = {};
  books_.look = look;
  books_.conversion = at_first_;
  return proceed();
}

}  // namespace v2vfs::fs
