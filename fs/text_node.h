// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "fs/node.h"
#include "fs/vm.h"

namespace v2vfs::fs {

/// A read-only file whose text is computed. Each open freezes the text for that handle. st_size is
/// the size of the newest text that somebody has open, else of the text as it would be now.
class TextNode : public Node {
 public:
  using Compute = std::function<std::string()>;
  using Size = std::function<std::uint64_t()>;
  /// `vm`: the text needs it loaded; open(2) waits for that. `size`: what stat(2) says while nobody
  /// has it open, of a text that takes long to compute (then `compute` may throw NotYet).
  TextNode(NodeId id, const MountContext& context, Compute compute,
           std::shared_ptr<Vm> vm = nullptr, Size size = nullptr);

  Attr attr() override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;

 protected:
  std::string compute() const { return compute_(); }
  const MountContext& context_;
  const std::shared_ptr<Vm> vm_;  // or null

 private:
  class OpenText;
  const Compute compute_;
  const Size size_;  // or null
  std::mutex mutex_;
  unsigned open_count_ = 0;       // guarded by mutex_
  std::uint64_t open_bytes_ = 0;  // guarded by mutex_
};

/// domain.xml: computed until somebody saves a domain over it.
class DomainNode : public TextNode {
 public:
  DomainNode(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm);
  Attr attr() override;
  void change(const AttrChange& change) override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;

 private:
  class Editor;
};

/// ctl: write-only; a word written is carried out before write(2) returns.
class ControlNode : public Node {
 public:
  /// `shown`: st_ino, the same for all nodes that stand for one ctl.
  ControlNode(NodeId id, NodeId shown, const MountContext& context, std::shared_ptr<Vm> vm);
  Attr attr() override;
  void change(const AttrChange& change) override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;

 private:
  class Writer;
  const NodeId shown_;
  const MountContext& context_;
  std::shared_ptr<Vm> vm_;
};

/// The bytes of one file in memory that several handles write to; at most 16 MiB.
class TextBuffer {
 public:
  explicit TextBuffer(std::string text = "") : text_(std::move(text)) {}
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;
  void write(std::uint64_t offset, std::span<const std::byte> in);
  void resize(std::uint64_t bytes);
  std::string text() const;
  std::uint64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::string text_;  // guarded by mutex_
};

/// A file that an editor makes beside domain.xml before it renames it there: kept in memory, gone
/// at unmount.
class ScratchNode : public Node {
 public:
  ScratchNode(NodeId id, const MountContext& context, mode_t permissions);
  Attr attr() override;
  void change(const AttrChange& change) override;
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override;
  TextBuffer& buffer() { return *buffer_; }

 private:
  const MountContext& context_;
  std::atomic<mode_t> permissions_;
  std::shared_ptr<TextBuffer> buffer_;
};

}  // namespace v2vfs::fs
