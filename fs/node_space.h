// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/node.h"

namespace v2vfs::fs {

constexpr NodeId kRootId = 1;  // what FUSE calls the root

/// All nodes of one connection by their ids. Thread safe.
class NodeSpace {
 public:
  virtual ~NodeSpace() = default;
  /// Throws Error(ESTALE) for an id that is no longer there.
  virtual std::shared_ptr<Node> node(NodeId id) const = 0;
  /// The kernel is about to be told of the node, and will forget() it as often as it was.
  virtual void remember(const std::shared_ptr<Node>&) {}
  virtual void forget(NodeId, std::uint64_t /*times*/) {}
  /// Throws Error(ENOTDIR) for what is no folder.
  std::shared_ptr<Directory> directory(NodeId id) const;
};

}  // namespace v2vfs::fs
