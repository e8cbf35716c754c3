// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/node_space.h"

namespace v2vfs::fs {

struct SessionOptions {
  std::string mountpoint;   // absolute
  std::string source_name;  // shown by mount(8) and df(1)
  bool read_only = false;
  bool allow_other = false;
  bool debug = false;
  std::vector<std::string> fuse_options = {};
};

/// One connection to the kernel, from mount to unmount. The only files that know libfuse are this
/// one's implementation and fuse_ops.cpp.
class FuseSession {
 public:
  /// Mounts, and serves `nodes` from threads of its own. `ended` is called once, from one of them,
  /// when the kernel has ended the connection. Returns when the mount answers. Throws
  /// StartError(exit_mount).
  FuseSession(NodeSpace& nodes, std::string state_root, const SessionOptions& options,
              std::function<void()> ended);
  /// The connection has ended by then (unmounted or aborted).
  ~FuseSession();

  FuseSession(const FuseSession&) = delete;

  /// True once the kernel has ended the connection, even while a thread of ours still hangs.
  bool ended() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v2vfs::fs
