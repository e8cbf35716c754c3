// SPDX-License-Identifier: MIT
#include "fs/text_node.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kLargestText = 16 << 20;
constexpr std::size_t kLongestWord = 64;

std::size_t copy_out(const std::string& text, std::uint64_t offset, std::span<std::byte> out) {
  if (offset >= text.size()) return 0;
  const std::size_t bytes = std::min<std::size_t>(out.size(), text.size() - offset);
  std::memcpy(out.data(), text.data() + offset, bytes);
  return bytes;
}

Attr file_attr(NodeId id, const MountContext& context, mode_t permissions, std::uint64_t bytes) {
  Attr attr;
  attr.id = id;
  attr.mode = S_IFREG | permissions;
  attr.uid = context.uid;
  attr.gid = context.gid;
  attr.bytes = bytes;
  attr.allocated_bytes = round_up(bytes, 512);
  attr.modified = context.started;
  return attr;
}

class BufferHandle : public Handle {
 public:
  explicit BufferHandle(std::shared_ptr<TextBuffer> buffer) : buffer_(std::move(buffer)) {}
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return buffer_->read(offset, out);
  }
  void write(std::uint64_t offset, std::span<const std::byte> in, bool, const Caller&) override {
    buffer_->write(offset, in);
  }
  void resize(std::uint64_t bytes) override { buffer_->resize(bytes); }

 private:
  std::shared_ptr<TextBuffer> buffer_;
};

}  // namespace

std::size_t TextBuffer::read(std::uint64_t offset, std::span<std::byte> out) const {
  const std::lock_guard lock(mutex_);
  return copy_out(text_, offset, out);
}

void TextBuffer::write(std::uint64_t offset, std::span<const std::byte> in) {
  const std::lock_guard lock(mutex_);
  const Checked end = checked_add(offset, in.size());
  if (!end || *end > kLargestText) throw Error(EFBIG, "a text here has at most 16 MiB");
  if (*end > text_.size()) text_.resize(*end);
  std::memcpy(text_.data() + offset, in.data(), in.size());
}

void TextBuffer::resize(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > kLargestText) throw Error(EFBIG, "a text here has at most 16 MiB");
  text_.resize(bytes);
}

std::string TextBuffer::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

std::uint64_t TextBuffer::bytes() const {
  const std::lock_guard lock(mutex_);
  return text_.size();
}

class TextNode::OpenText : public Handle {
 public:
  OpenText(TextNode& node, std::string text) : node_(node), text_(std::move(text)) {
    const std::lock_guard lock(node_.mutex_);
    ++node_.open_count_;
    node_.open_bytes_ = text_.size();
  }
  ~OpenText() override {
    const std::lock_guard lock(node_.mutex_);
    --node_.open_count_;
  }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return copy_out(text_, offset, out);
  }

 private:
  TextNode& node_;
  const std::string text_;
};

TextNode::TextNode(NodeId id, const MountContext& context, Compute compute, std::shared_ptr<Vm> vm,
                   Size size)
    : Node(id),
      context_(context),
      vm_(std::move(vm)),
      compute_(std::move(compute)),
      size_(std::move(size)) {}

Attr TextNode::attr() {
  {
    const std::lock_guard lock(mutex_);
    if (open_count_) return file_attr(id(), context_, 0444, open_bytes_);
  }
  return file_attr(id(), context_, 0444, size_ ? size_() : compute().size());
}

std::unique_ptr<Handle> TextNode::open(int flags, const Caller&) {
  if (wants_writing(flags)) throw Error(EACCES, "this text is computed and cannot be written");
  if (vm_) vm_->need_loaded();
  return std::make_unique<OpenText>(*this, compute());
}

// domain.xml

/// What is written is kept until close(2), then checked and saved as a whole.
class DomainNode::Editor : public Handle {
 public:
  Editor(std::shared_ptr<Vm> vm, std::string text, bool changed)
      : vm_(std::move(vm)), buffer_(std::move(text)), changed_(changed) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return buffer_.read(offset, out);
  }
  void write(std::uint64_t offset, std::span<const std::byte> in, bool, const Caller&) override {
    buffer_.write(offset, in);
    changed_ = true;
  }
  void resize(std::uint64_t bytes) override {
    buffer_.resize(bytes);
    changed_ = true;
  }
  void flush() override {
    if (!changed_) return;
    vm_->save_domain_xml(buffer_.text());
    changed_ = false;
  }
  void fsync() override { flush(); }

 private:
  std::shared_ptr<Vm> vm_;
  TextBuffer buffer_;
  std::atomic<bool> changed_;
};

DomainNode::DomainNode(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm)
    : TextNode(
          id, context, [vm] { return vm->domain_xml(); }, vm,
          [vm] { return vm->domain_xml_bytes(); }) {}

Attr DomainNode::attr() {
  Attr attr = TextNode::attr();
  attr.mode = S_IFREG | 0644;
  return attr;
}

void DomainNode::change(const AttrChange& change) {
  if (change.bytes) throw Error(EINVAL, "an empty text is no domain; save a whole one over it");
}

std::unique_ptr<Handle> DomainNode::open(int flags, const Caller& caller) {
  if (!wants_writing(flags)) return TextNode::open(flags, caller);
  vm_->need_loaded();
  const bool truncate = flags & O_TRUNC;
  return std::make_unique<Editor>(vm_, truncate ? "" : compute(), truncate);
}

// ctl

const std::string kWordsOfCtl = std::string("Words to write here: ") + kControlWords + "\n";

class ControlNode::Writer : public Handle {
 public:
  explicit Writer(std::shared_ptr<Vm> vm) : vm_(std::move(vm)) {}
  /// Whoever copies a VM's folder reads it, too.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return copy_out(kWordsOfCtl, offset, out);
  }
  void write(std::uint64_t, std::span<const std::byte> in, bool, const Caller& caller) override {
    if (in.size() > kLongestWord) throw Error(EINVAL, "ctl takes one word");
    const std::string_view text(reinterpret_cast<const char*>(in.data()), in.size());
    vm_->control(std::string(trim(text)), caller);
  }

 private:
  std::shared_ptr<Vm> vm_;
};

ControlNode::ControlNode(NodeId id, NodeId shown, const MountContext& context,
                         std::shared_ptr<Vm> vm)
    : Node(id), shown_(shown), context_(context), vm_(std::move(vm)) {}

Attr ControlNode::attr() {
  Attr attr = file_attr(id(), context_, 0600, kWordsOfCtl.size());
  attr.shown_id = shown_;
  return attr;
}

/// `echo word > ctl` truncates: that changes nothing.
void ControlNode::change(const AttrChange& change) {
  if (change.permissions || change.uid || change.gid) Node::change(change);
}

std::unique_ptr<Handle> ControlNode::open(int flags, const Caller&) {
  if (wants_writing(flags)) vm_->need_loaded();
  return std::make_unique<Writer>(vm_);
}

// Scratch files

ScratchNode::ScratchNode(NodeId id, const MountContext& context, mode_t permissions)
    : Node(id),
      context_(context),
      permissions_(permissions & 0777),
      buffer_(std::make_shared<TextBuffer>()) {}

Attr ScratchNode::attr() { return file_attr(id(), context_, permissions_, buffer_->bytes()); }

void ScratchNode::change(const AttrChange& change) {
  if (change.permissions) permissions_ = *change.permissions & 0777;
  if (change.bytes) buffer_->resize(*change.bytes);
}

std::unique_ptr<Handle> ScratchNode::open(int flags, const Caller&) {
  if (flags & O_TRUNC) buffer_->resize(0);
  return std::make_unique<BufferHandle>(buffer_);
}

}  // namespace v2vfs::fs
