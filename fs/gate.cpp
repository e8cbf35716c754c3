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

void Gate::attach(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  folder_ = folder;
  changes_ = read_changes(folder);
}

/// With the lock held. A stop callback kills a process; it takes no lock of ours.
void Gate::carry_out(const Ruling& ruling) {
  if (ruling.end_look) look_stop_.request_stop();
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
  if (!folder_.empty()) {
    write_durably(folder_, kChangesFile, std::to_string(changes_ + 1) + "\n");
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

void Gate::expect_no_writer() const {
  const std::lock_guard lock(mutex_);
  if (admission_.has_writer()) {
    throw Error(EBUSY, "{}: its disks are open for writing: a VM may be running", vm_);
  }
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
  counted_ = false;
  look_stop_ = {};
  return std::make_shared<Look>(*this, look_stop_.get_token(), changes_);
}

void Gate::change_everything() {
  const std::lock_guard lock(mutex_);
  look_stop_.request_stop();  // if there is one
  counted_ = false;
  count_change();
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

}  // namespace v2vfs::fs
