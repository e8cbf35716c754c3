// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fs/node.h"
#include "fs/vm.h"

namespace v2vfs::fs {

/// disk.qcow2: one disk of one VM as a file.
class DiskNode : public Node {
 public:
  DiskNode(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm, std::size_t index);

  Attr attr() override;
  void change(const AttrChange& change) override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;

  std::string xattr(std::string_view name) override;
  std::vector<std::string> xattr_names() override;
  void set_xattr(std::string_view name, std::string_view value, XattrMode mode) override;
  void remove_xattr(std::string_view name) override;

 private:
  void check_writable() const;
  AttributeStore& attributes() const;

  const MountContext& context_;
  std::shared_ptr<Vm> vm_;
  const std::size_t index_;
  const std::string file_name_;
};

}  // namespace v2vfs::fs
