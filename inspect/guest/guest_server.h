// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"
#include "inspect/guest/guest.h"
#include "inspect/guest/guest_wire.h"

/// The child's end of guest_wire.h.
namespace v2vfs::inspect {

/// Thrown by a Guest that cannot answer anything any more: its appliance is gone.
class GuestGone : public Error {
 public:
  using Error::Error;
};

/// To be called whenever the appliance shows that it moves; seldom passed on.
using GuestAlive = std::function<void(GuestProgress)>;
using StartGuest = std::function<std::unique_ptr<Guest>(const GuestSettings&, const GuestAlive&)>;

/// Answers calls until the client goes away, finish() was answered, or the guest is gone. The
/// guest ends with it. Throws Error(EIO) for a client that talks nonsense.
void serve_guest(UniqueFd socket, const StartGuest& start);

}  // namespace v2vfs::inspect
