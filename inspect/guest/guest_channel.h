// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "inspect/base/unique_fd.h"
#include "inspect/guest/guest_wire.h"

namespace v2vfs::inspect {

using WireClock = std::chrono::steady_clock;

struct Frame {
  FrameKind kind = FrameKind::request;
  std::string payload;
};

/// Frames over one end of a stream socket. Never raises SIGPIPE. Not thread safe.
class GuestChannel {
 public:
  explicit GuestChannel(UniqueFd socket) : socket_(std::move(socket)) {}

  enum class Sent { all, too_late, gone };
  /// Until `deadline`; WireClock::time_point::max(): as long as it takes.
  Sent send(FrameKind kind, std::string_view payload, WireClock::time_point deadline);
  /// A payload of any size up to kMostReplyBytes, as parts and one `last` kind.
  Sent send_parts(FrameKind last, std::string_view payload, WireClock::time_point deadline);

  enum class Received { frame, too_late, gone };
  /// Throws Error(EIO) for bytes that are no frame.
  Received receive(Frame& frame, WireClock::time_point deadline);

 private:
  Received receive_bytes(char* to, std::size_t length, WireClock::time_point deadline);

  UniqueFd socket_;
};

}  // namespace v2vfs::inspect
