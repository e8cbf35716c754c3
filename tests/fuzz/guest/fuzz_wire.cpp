// SPDX-License-Identifier: MIT
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "inspect/guest/guest_client.h"
#include "inspect/guest/guest_server.h"

namespace {

using namespace v2vfs;
using namespace v2vfs::inspect;

class DeadPeer : public GuestPeer {
 public:
  Error bury(const Error& why) override { return why; }
  Error obituary() override { return {EIO, "gone"}; }
};

struct Ends {
  UniqueFd ours, theirs;
};

/// A socket pair whose other end has said `bytes` and will say no more.
Ends said(const std::uint8_t* data, std::size_t size) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  Ends pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (size > 0 && ::send(pair.theirs.get(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    std::abort();
  ::shutdown(pair.theirs.get(), SHUT_WR);
  return pair;
}

/// Every call in turn: the bytes are the answers.
void ask_everything(GuestClient& guest) {
  guest.storage();
  guest.btrfs_subvolumes("/dev/sda");
  if (guest.read_device("/dev/sda", 0, 9).size() > 9) std::abort();
  guest.space("/");
  guest.stat("/");
  for (const FileEntry& entry : guest.list("/")) {
    if (entry.name.find('/') != std::string::npos) std::abort();
  }
  guest.readlink("/");
  if (guest.read("/", 0, 9).size() > 9) std::abort();
  guest.xattrs("/");
  if (const auto path = guest.resolve("/"); path && !path->starts_with('/')) std::abort();
  guest.resolve_case("/");
  guest.rpm_packages("/dev/sda");
  guest.registry_value("/", "", "");
  guest.registry_keys("/", "");
  guest.start_anew();
  guest.finish();
}

}  // namespace

/// The first byte chooses: any bytes as what a worker answers, where each call ends with a value or
/// an Error; or as what a client asks, where serving ends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 100'000) return 0;
  Ends pair = said(data + 1, size - 1);
  try {
    if (data[0] % 2 == 0) {
      DeadPeer peer;
      GuestClient guest(std::move(pair.ours), {}, {}, peer);
      ask_everything(guest);
    } else {
      serve_guest(std::move(pair.ours),
                  [](const GuestSettings&, const GuestAlive&) { return std::unique_ptr<Guest>(); });
    }
  } catch (const Error&) {
  }
  return 0;
}
