// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/node.h"
#include "fs/snapshots.h"
#include "fs/vm.h"

namespace v2vfs::fs {

/// snapshots/<name>/disk.qcow2: read-only, past Admission, for nothing ever changes it.
class SnapshotNode : public Node {
 public:
  /// `vm` owns `disk`.
  SnapshotNode(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm, SnapshotDisk& disk)
      : Node(id), context_(context), vm_(std::move(vm)), disk_(disk) {}

  Attr attr() override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;

 private:
  const MountContext& context_;
  const std::shared_ptr<Vm> vm_;
  SnapshotDisk& disk_;
};

}  // namespace v2vfs::fs
