// SPDX-License-Identifier: MIT
#include "fs/parking_lot.h"

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

namespace v2vfs::fs {
namespace {

/// Of those that run requests again; each may hang in a source.
constexpr std::size_t kMostThreads = 512;

}  // namespace

class Parked {
 public:
  explicit Parked(ParkingLot::Request of) : request(std::move(of)) {}
  ParkingLot::Request request;  // taken by whoever takes the ticket out of the lot
};

class ParkingLot::Core : public std::enable_shared_from_this<Core> {
 public:
  void start() {
    refuser_ = std::thread([this] { make_refusals(); });
  }

  Ticket enter(Request request) {
    auto ticket = std::make_shared<Parked>(std::move(request));
    const std::lock_guard lock(mutex_);
    waiting_.insert(ticket);
    return ticket;
  }

  void refuse(const Ticket& ticket, const Error& reason) {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(ticket)) add_refusal(std::exchange(ticket->request, {}), reason);
  }

  void run_again(const Ticket& ticket) {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(ticket) == 0) return;
    Request request = std::exchange(ticket->request, {});
    if (threads_ < kMostThreads && !start_thread() && threads_ == 0) {
      return add_refusal(std::move(request), Error(EAGAIN, "the system has no thread left"));
    }
    runs_.push_back(std::move(request.run_again));
  }

  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  std::size_t parked() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    for (const Ticket& ticket : waiting_) {
      add_refusal(std::exchange(ticket->request, {}), closing());
    }
    waiting_.clear();
    signal_.wait(lock, [this] { return threads_ == 0 && !refusing_ && refusals_.empty(); });
  }

  void end() {
    close();
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      signal_.notify_all();
    }
    refuser_.join();
  }

  static Error closing() { return Error(ENOTCONN, "the mount is going away"); }

 private:
  using Action = std::function<void()>;

  void add_refusal(Request request, const Error& reason) {
    refusals_.push_back([refuse = std::move(request.refuse), reason] { refuse(reason); });
    signal_.notify_all();
  }

  /// A thread for each request that can be run again, none for those that wait.
  bool start_thread() {
    try {
      std::thread([self = shared_from_this()] { self->make_runs(); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    ++threads_;
    return true;
  }

  void make_runs() {
    std::unique_lock lock(mutex_);
    while (!runs_.empty()) make_next(runs_, lock);
    --threads_;
    signal_.notify_all();
  }

  void make_refusals() {
    std::unique_lock lock(mutex_);
    for (;;) {
      signal_.wait(lock, [this] { return ended_ || !refusals_.empty(); });
      if (refusals_.empty()) return;
      refusing_ = true;
      make_next(refusals_, lock);
      refusing_ = false;
      signal_.notify_all();
    }
  }

  static void make_next(std::deque<Action>& actions, std::unique_lock<std::mutex>& lock) {
    Action action = std::move(actions.front());
    actions.pop_front();
    lock.unlock();
    action();
    action = nullptr;  // what it holds goes without the lock
    lock.lock();
  }

  mutable std::mutex mutex_;
  std::condition_variable signal_;
  bool closed_ = false, ended_ = false;
  std::set<Ticket> waiting_;
  std::deque<Action> runs_, refusals_;
  std::size_t threads_ = 0;  // that make runs
  bool refusing_ = false;
  std::thread refuser_;
};

ParkingLot::ParkingLot() : core_(std::make_shared<Core>()) { core_->start(); }

ParkingLot::~ParkingLot() { core_->end(); }

ParkingLot::Ticket ParkingLot::enter(Request request) { return core_->enter(std::move(request)); }

void ParkingLot::wait_for(const Ticket& ticket, Event& event) {
  if (core_->closed()) return core_->refuse(ticket, Core::closing());
  event.when_ended([core = core_, weak = std::weak_ptr(ticket)](const auto& failure) {
    const Ticket waiting = weak.lock();
    if (!waiting) return;
    if (failure) {
      core->refuse(waiting, *failure);
    } else {
      core->run_again(waiting);
    }
  });
}

void ParkingLot::interrupt(const Ticket& ticket) {
  core_->refuse(ticket, Error(EINTR, "the wait was ended"));
}

std::size_t ParkingLot::parked() const { return core_->parked(); }

void ParkingLot::close() { core_->close(); }

}  // namespace v2vfs::fs
