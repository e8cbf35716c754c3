// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fs/guest_node.h"
#include "fs/node_space.h"
#include "fs/vm.h"

namespace v2vfs::fs {

/// The nodes of a mount. Built once; only scratch files and guest files come and go.
class Tree : public NodeSpace {
 public:
  /// `status` and `appliance` compute the texts of the root; an empty `appliance` means there is
  /// none.
  Tree(const MountContext& context, std::vector<std::shared_ptr<Vm>> vms,
       std::function<std::string()> status, std::function<std::string()> appliance);
  ~Tree() override;

  std::shared_ptr<Node> node(NodeId id) const override;
  void remember(const std::shared_ptr<Node>& node) override;
  void forget(NodeId id, std::uint64_t times) override;

 private:
  class VmDirectory;

  /// Of a scratch file, which lives on until the kernel has forgotten it: whoever has it open goes
  /// on with it.
  struct Remembered {
    std::uint64_t lookups = 0;
    bool is_removed = false;
  };

  void add(const std::shared_ptr<Node>& node);
  void remove(NodeId id);
  void drop_if_unknown(NodeId id);

  GuestNodes guests_;
  mutable std::mutex mutex_;
  std::map<NodeId, std::shared_ptr<Node>> nodes_;  // guarded by mutex_
  std::map<NodeId, Remembered> scratch_;           // guarded by mutex_
  NodeId next_scratch_;                            // guarded by mutex_
};

}  // namespace v2vfs::fs
