// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_server.h"

#include <cerrno>
#include <chrono>
#include <new>
#include <optional>

#include "inspect/base/text.h"
#include "inspect/guest/guest_channel.h"

namespace v2vfs::inspect {
namespace {

constexpr std::chrono::seconds kProgressInterval{1};

/// How an argument is kept between its decoding and the call.
template <typename T>
using Kept = std::conditional_t<std::is_same_v<std::decay_t<T>, std::string_view>, std::string,
                                std::decay_t<T>>;

/// Decodes the arguments, calls, encodes the result.
template <typename Result, typename... Arguments>
std::string answer(Guest& guest, Result (Guest::*call)(Arguments...), WireReader& in) {
  std::tuple<Kept<Arguments>...> arguments{in.get<Kept<Arguments>>()...};  // from left to right
  in.expect_end();
  WireWriter out;
  const auto run = [&](auto&... argument) -> Result { return (guest.*call)(argument...); };
  if constexpr (std::is_void_v<Result>) {
    std::apply(run, arguments);
  } else {
    out.put(std::apply(run, arguments));
  }
  return out.take();
}

std::string dispatch(Guest& guest, GuestCall call, WireReader& in) {
  switch (call) {
    case GuestCall::start:
      break;
#define V2VFS_CALL(name) \
  case GuestCall::name:  \
    return answer(guest, &Guest::name, in);
      V2VFS_GUEST_CALLS(V2VFS_CALL)
#undef V2VFS_CALL
  }
  throw Error(EPROTO, "the guest's reader was started twice");
}

class Server {
 public:
  Server(UniqueFd socket, const StartGuest& start) : channel_(std::move(socket)), start_(start) {}

  void run() {
    Frame request;
    while (!over_ && channel_.receive(request, WireClock::time_point::max()) ==
                         GuestChannel::Received::frame) {
      if (request.kind != FrameKind::request) throw Error(EIO, "no request");
      handle(request.payload);
    }
  }

 private:
  void handle(const std::string& payload) {
    try {
      WireReader in(payload);
      const auto call = in.get<GuestCall>();
      const std::string result = perform(call, in);
      over_ |= call == GuestCall::finish;
      reply(FrameKind::result, result);
    } catch (const GuestGone& e) {
      fail({e.error_number(), true, e.sentence()});
    } catch (const Error& e) {
      fail({e.error_number(), !guest_, e.sentence()});
    } catch (const std::bad_alloc&) {
      fail({ENOMEM, !guest_, "the guest's reader has no memory left"});
    } catch (const std::exception& e) {
      fail({EIO, !guest_, e.what()});
    }
  }

  std::string perform(GuestCall call, WireReader& in) {
    if (guest_) return dispatch(*guest_, call, in);
    if (call != GuestCall::start) throw Error(EPROTO, "the guest's reader was not started");
    const auto settings = in.get<GuestSettings>();
    in.expect_end();
    guest_ = start_(settings, [this](GuestProgress what) { progress(what); });
    return "";
  }

  /// Seldom: a kernel that boots chatters.
  void progress(GuestProgress what) {
    const auto now = WireClock::now();
    if (last_progress_ && now - *last_progress_ < kProgressInterval) return;
    last_progress_ = now;
    WireWriter out;
    out.put(what);
    channel_.send(FrameKind::progress, out.take(), WireClock::time_point::max());
  }

  void fail(GuestFailure failure) {
    clean(failure);
    over_ |= failure.fatal;
    WireWriter out;
    out.put(failure);
    reply(FrameKind::error, out.take());
  }

  void reply(FrameKind kind, const std::string& payload) {
    if (payload.size() > kMostReplyBytes) {
      return fail({EOVERFLOW, false, "an answer is too large to be passed on"});
    }
    if (channel_.send_parts(kind, payload, WireClock::time_point::max()) !=
        GuestChannel::Sent::all) {
      over_ = true;
    }
  }

  GuestChannel channel_;
  const StartGuest& start_;
  std::unique_ptr<Guest> guest_;
  std::optional<WireClock::time_point> last_progress_;
  bool over_ = false;
};

}  // namespace

void serve_guest(UniqueFd socket, const StartGuest& start) {
  Server(std::move(socket), start).run();
}

}  // namespace v2vfs::inspect
