// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fs/vm.h"

namespace v2vfs::fs {

/// From here on ids are those of guest files.
constexpr NodeId kFirstGuestId = NodeId{1} << 63;

class GuestRegistry;

/// The files of all guests that the kernel knows, by their ids: a node lives as long as the kernel
/// remembers it. A path keeps its id meanwhile, and has the same one later unless another took it.
/// Thread safe.
class GuestNodes {
 public:
  GuestNodes();
  ~GuestNodes();

  /// guest/ itself; its id is one of the tree's own, and it lives as long as the tree.
  std::shared_ptr<Directory> make_root(NodeId id, const MountContext& context,
                                       std::shared_ptr<Vm> vm);

  /// Throws Error(ESTALE).
  std::shared_ptr<Node> node(NodeId id) const;
  void remember(const std::shared_ptr<Node>& node);
  void forget(NodeId id, std::uint64_t times);
  std::size_t remembered() const;

 private:
  const std::shared_ptr<GuestRegistry> registry_;
};

}  // namespace v2vfs::fs
