// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "fs/event.h"

namespace v2vfs::fs {

/// A request that waits is in here and has no thread.
class Parked;

/// Requests that wait for an Event. Each is answered exactly once, from a thread of the lot and
/// never from the caller's: run again when its event has happened, refused when the event failed,
/// when it is interrupted, or when the lot closes. Refusals have a thread of their own, so that a
/// source that hangs keeps nobody from ending a wait. Thread safe.
class ParkingLot {
 public:
  struct Request {
    std::function<void()> run_again;
    std::function<void(const Error&)> refuse;
  };
  using Ticket = std::shared_ptr<Parked>;

  ParkingLot();
  /// Closes.
  ~ParkingLot();
  ParkingLot(const ParkingLot&) = delete;

  /// In two steps, so that the caller can say between them where interrupts go: from enter() on
  /// they end the wait, from wait_for() on everything may.
  Ticket enter(Request request);
  void wait_for(const Ticket& ticket, Event& event);
  /// Returns at once; the lot answers EINTR.
  void interrupt(const Ticket& ticket);

  std::size_t parked() const;
  /// Refuses all that wait and whoever comes; returns when nothing is being answered any more.
  void close();

 private:
  class Core;
  const std::shared_ptr<Core> core_;  // events may outlive the lot
};

}  // namespace v2vfs::fs
