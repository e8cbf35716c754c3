// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kHeadBytes = 5;
constexpr std::size_t kGrowBytes = 1 << 20;

/// poll(2) until `deadline`. False: too late.
bool wait_for(int fd, short events, WireClock::time_point deadline) {
  for (;;) {
    int wait = -1;
    if (deadline != WireClock::time_point::max()) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - WireClock::now());
      if (left.count() <= 0) return false;
      wait = static_cast<int>(std::min<std::int64_t>(left.count() + 1, 60'000));
    }
    pollfd waiting{fd, events, 0};
    if (::poll(&waiting, 1, wait) > 0) return true;
  }
}

}  // namespace

GuestChannel::Sent GuestChannel::send(FrameKind kind, std::string_view payload,
                                      WireClock::time_point deadline) {
  const auto length = static_cast<std::uint32_t>(payload.size());
  std::string bytes(kHeadBytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes[4] = static_cast<char>(kind);
  bytes += payload;
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      at += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      if (!wait_for(socket_.get(), POLLOUT, deadline)) return Sent::too_late;
    } else if (errno != EINTR) {
      return Sent::gone;
    }
  }
  return Sent::all;
}

GuestChannel::Sent GuestChannel::send_parts(FrameKind last, std::string_view payload,
                                            WireClock::time_point deadline) {
  while (payload.size() > kMostFrameBytes) {
    const Sent sent = send(FrameKind::part, payload.substr(0, kMostFrameBytes), deadline);
    if (sent != Sent::all) return sent;
    payload.remove_prefix(kMostFrameBytes);
  }
  return send(last, payload, deadline);
}

GuestChannel::Received GuestChannel::receive(Frame& frame, WireClock::time_point deadline) {
  char head[kHeadBytes];
  if (const Received got = receive_bytes(head, sizeof head, deadline); got != Received::frame) {
    return got;
  }
  std::uint32_t length = 0;
  std::memcpy(&length, head, sizeof length);
  const auto kind = static_cast<unsigned char>(head[4]);
  if (length > kMostFrameBytes || kind >= kFrameKinds) {
    throw Error(EIO, "the guest's reader talks nonsense: a frame of kind {} with {} bytes", kind,
                length);
  }
  frame.kind = static_cast<FrameKind>(kind);
  frame.payload.clear();
  while (frame.payload.size() < length) {  // grows with what came, not with what was announced
    const std::size_t at = frame.payload.size();
    frame.payload.resize(std::min<std::size_t>(length, at + kGrowBytes));
    const Received got =
        receive_bytes(frame.payload.data() + at, frame.payload.size() - at, deadline);
    if (got != Received::frame) return got;
  }
  return Received::frame;
}

GuestChannel::Received GuestChannel::receive_bytes(char* to, std::size_t length,
                                                   WireClock::time_point deadline) {
  for (std::size_t at = 0; at < length;) {
    const ssize_t got = ::recv(socket_.get(), to + at, length - at, MSG_DONTWAIT);
    if (got > 0) {
      at += static_cast<std::size_t>(got);
    } else if (got < 0 && errno == EAGAIN) {
      if (!wait_for(socket_.get(), POLLIN, deadline)) return Received::too_late;
    } else if (got == 0 || errno != EINTR) {
      return Received::gone;
    }
  }
  return Received::frame;
}

}  // namespace v2vfs::inspect
