// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "convert/disk/disk_view.h"
#include "inspect/base/unique_fd.h"

struct nbd_handle;

namespace v2vfs::convert {

using Deadline = std::chrono::steady_clock::time_point;

/// One connection to an NBD server (docs/interop/nbd.txt of QEMU, the NBD protocol's "newstyle"),
/// which serves one read-only disk. The only file that knows libnbd. One thread at a time.
class NbdConnection {
 public:
  /// Shakes hands over a connected socket. Throws Error(EIO), ETIMEDOUT past the deadline.
  NbdConnection(UniqueFd socket, Deadline deadline);

  /// Of the disk.
  std::uint64_t bytes() const { return bytes_; }

  /// The range lies inside. Throws Error: EIO for what the server cannot read, ETIMEDOUT past the
  /// deadline; the connection is of no more use then, see usable().
  void read(std::uint64_t offset, std::span<std::byte> out, Deadline deadline);

  /// Stretches from `offset` on, at most up to offset + length, at least one. Throws as read().
  std::vector<Stretch> stretches(std::uint64_t offset, std::uint64_t length, Deadline deadline);

  /// False once it was cut off or gave up waiting.
  bool usable() const { return usable_; }

 private:
  struct Close {
    void operator()(nbd_handle* handle) const;
  };
  void wait(std::int64_t cookie, Deadline deadline);
  void poll(Deadline deadline);
  [[noreturn]] void fail(int otherwise);

  std::unique_ptr<nbd_handle, Close> handle_;
  std::uint64_t bytes_ = 0;
  bool usable_ = true;
};

}  // namespace v2vfs::convert
