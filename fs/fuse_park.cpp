// SPDX-License-Identifier: MIT
#include <memory>
#include <utility>

#include "fs/fuse_guard.h"

// A request that waits is in the connection's ParkingLot, and libfuse knows where its interrupt
// goes. libfuse calls that with the request's lock held and touches the request afterwards, so the
// lot is told and answers from a thread of its own; and whoever answers first takes the callback
// away, which waits for one that is under way.

namespace v2vfs::fs {
namespace {

/// What the callback gets. Lives as long as the parked request.
struct InterruptTarget {
  ParkingLot& lot;
  std::weak_ptr<Parked> ticket;
};

void on_interrupt(fuse_req_t, void* data) {
  const auto& target = *static_cast<const InterruptTarget*>(data);
  if (const ParkingLot::Ticket ticket = target.ticket.lock()) target.lot.interrupt(ticket);
}

}  // namespace

void park(fuse_req_t req, const char* operation, fuse_ino_t ino,
          const std::shared_ptr<Event>& event, std::function<void()> run_again) {
  ParkingLot& lot = static_cast<FuseTarget*>(fuse_req_userdata(req))->waiting;
  auto target = std::make_shared<InterruptTarget>(InterruptTarget{lot, {}});
  const ParkingLot::Ticket ticket = lot.enter({
      [req, target, run_again = std::move(run_again)] {
        fuse_req_interrupt_func(req, nullptr, nullptr);
        run_again();
      },
      [req, target, operation, ino](const Error& reason) {
        fuse_req_interrupt_func(req, nullptr, nullptr);
        log_failure(operation, ino, fuse_req_ctx(req)->pid, reason.error_number(),
                    reason.sentence());
        fuse_reply_err(req, reason.error_number());
      },
  });
  target->ticket = ticket;
  fuse_req_interrupt_func(req, on_interrupt, target.get());
  lot.wait_for(ticket, *event);  // from here on the request may be gone
}

}  // namespace v2vfs::fs
