// SPDX-License-Identifier: MIT
#include "fs/tree.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include "fs/disk_node.h"
#include "fs/snapshot_node.h"
#include "fs/status_json.h"
#include "fs/text_node.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

// Ids: the root's own files follow it; each VM has a thousand ids of its own, or as many thousands
// as its disks take; scratch files come after all that any number of VMs could take.
constexpr NodeId kFirstVmId = 1000;
constexpr NodeId kIdsPerVm = 1000;
constexpr std::size_t kFilesBesideDisks = 100;  // with room for those to come
constexpr NodeId kFirstScratchId = NodeId{1} << 62;
constexpr std::size_t kMostScratchFiles = 64;

constexpr const char* kDomain = "domain.xml";
constexpr const char* kControl = "ctl";

Attr directory_attr(NodeId id, const MountContext& context, mode_t permissions, nlink_t links) {
  Attr attr;
  attr.id = id;
  attr.mode = S_IFDIR | permissions;
  attr.uid = context.uid;
  attr.gid = context.gid;
  attr.links = links;
  attr.modified = context.started;
  return attr;
}

/// Names in the order they are listed.
class Children {
 public:
  void add(const std::string& name, const std::shared_ptr<Node>& node, bool is_directory) {
    by_name_[name] = node;
    list_.push_back({name, node->id(), is_directory});
  }
  std::shared_ptr<Node> find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  const std::vector<DirEntry>& list() const { return list_; }

 private:
  std::map<std::string, std::shared_ptr<Node>, std::less<>> by_name_;
  std::vector<DirEntry> list_;
};

/// The root, and whatever else never changes.
class FixedDirectory : public Directory {
 public:
  FixedDirectory(NodeId id, const MountContext& context, timespec modified)
      : Directory(id), context_(context), modified_(modified) {}
  Attr attr() override {
    Attr attr = directory_attr(id(), context_, 0755, 2 + folders_);
    attr.modified = modified_;
    return attr;
  }
  std::shared_ptr<Node> child(std::string_view name) override { return children_.find(name); }
  std::vector<DirEntry> list() override { return children_.list(); }

  void add(const std::string& name, const std::shared_ptr<Node>& node, bool is_directory) {
    children_.add(name, node, is_directory);
    folders_ += is_directory;
  }

 private:
  const MountContext& context_;
  const timespec modified_;
  Children children_;
  nlink_t folders_ = 0;
};

}  // namespace

class Tree::VmDirectory : public Directory {
 public:
  VmDirectory(NodeId id, const MountContext& context, std::shared_ptr<Vm> vm, Tree& tree)
      : Directory(id), context_(context), vm_(std::move(vm)), tree_(tree) {
    NodeId next = id + 1;
    add("status.json",
        std::make_shared<TextNode>(next++, context_, [vm = vm_] { return to_json(vm->status()); }));
    const NodeId shown = next++;
    add(kControl, std::make_shared<ControlNode>(shown, shown, context_, vm_));
    for (auto& control : controls_) {
      control = std::make_shared<ControlNode>(next++, shown, context_, vm_);
      tree_.add(control);
    }
    if (vm_->described()) add_machine(next);
  }

  Attr attr() override { return directory_attr(id(), context_, 0755, 2); }
  std::shared_ptr<Node> child(std::string_view name) override;
  std::vector<DirEntry> list() override;
  std::shared_ptr<Node> create(std::string_view name, mode_t permissions) override;
  void remove(std::string_view name) override;
  void rename(std::string_view from, std::string_view to) override;

 private:
  using Scratch = std::map<std::string, std::shared_ptr<ScratchNode>, std::less<>>;

  void add(const std::string& name, const std::shared_ptr<Node>& node, bool is_folder = false) {
    fixed_.add(name, node, is_folder);
    tree_.add(node);
  }
  void add_machine(NodeId next) {
    add(kDomain, std::make_shared<DomainNode>(next++, context_, vm_));
    add("domain-compat.xml",
        std::make_shared<TextNode>(
            next++, context_, [vm = vm_] { return vm->compatible_domain_xml(); }, vm_));
    if (context_.inspect) {
      add_inspection(next++, "inspection.json", InspectionFormat::json);
      add_inspection(next++, "inspection.xml", InspectionFormat::xml);
      add("conversion.json", std::make_shared<TextNode>(
                                 next++, context_, [vm = vm_] { return vm->conversion_json(); },
                                 vm_, [vm = vm_] { return vm->conversion_json_bytes(); }));
    }
    if (vm_->has_guest_folder()) {
      add("guest", tree_.guests_.make_root(next++, context_, vm_), true);
    }
    for (std::size_t i = 0; i < vm_->disk_count(); ++i) {
      add(Vm::disk_file_name(i), std::make_shared<DiskNode>(next++, context_, vm_, i));
    }
    if (!vm_->snapshots().folders().empty()) add_snapshots(next);
  }
  void add_snapshots(NodeId next);
  void add_inspection(NodeId id, const char* name, InspectionFormat format) {
    auto text = [vm = vm_.get(), format] { return vm->inspection().text(format); };
    auto bytes = [vm = vm_.get(), format] { return vm->inspection().bytes(format); };
    add(name, std::make_shared<TextNode>(id, context_, text, vm_, bytes));
  }
  Scratch::iterator find_scratch(std::string_view name);
  void keep_copy_of_domain(std::string_view name);

  const MountContext& context_;
  const std::shared_ptr<Vm> vm_;
  Tree& tree_;
  Children fixed_;
  std::array<std::shared_ptr<ControlNode>, 16> controls_;
  std::atomic<unsigned> next_control_ = 0;
  std::mutex mutex_;
  Scratch scratch_;  // guarded by mutex_
};

void Tree::VmDirectory::add_snapshots(NodeId next) {
  auto all = std::make_shared<FixedDirectory>(next++, context_, context_.started);
  for (const Snapshots::Folder& snapshot : vm_->snapshots().folders()) {
    timespec created = context_.started;
    if (snapshot.created_unix) created = {*snapshot.created_unix, 0};
    auto folder = std::make_shared<FixedDirectory>(next++, context_, created);
    for (const auto& disk : snapshot.disks) {
      auto node = std::make_shared<SnapshotNode>(next++, context_, vm_, *disk);
      folder->add(disk->file_name(), node, false);
      tree_.add(node);
    }
    all->add(snapshot.name, folder, true);
    tree_.add(folder);
  }
  add("snapshots", all, true);
}

/// Each lookup of ctl finds another inode: the kernel holds an inode's lock while a word is carried
/// out, and who writes the next word would wait for it where no signal reaches him.
std::shared_ptr<Node> Tree::VmDirectory::child(std::string_view name) {
  if (name == kControl) return controls_[next_control_++ % controls_.size()];
  if (auto node = fixed_.find(name)) return node;
  const std::lock_guard lock(mutex_);
  const auto found = scratch_.find(name);
  return found == scratch_.end() ? nullptr : found->second;
}

std::vector<DirEntry> Tree::VmDirectory::list() {
  std::vector<DirEntry> entries = fixed_.list();
  const std::lock_guard lock(mutex_);
  for (const auto& [name, node] : scratch_) entries.push_back({name, node->id(), false});
  return entries;
}

/// Editors write beside a file and rename over it. What they make here is kept in memory.
std::shared_ptr<Node> Tree::VmDirectory::create(std::string_view name, mode_t permissions) {
  if (context_.read_only) throw Error(EROFS, "this is mounted with -o ro");
  if (fixed_.find(name)) throw Error(EEXIST, "this file is part of the view");
  const std::lock_guard lock(mutex_);
  const auto old = scratch_.find(name);
  if (old == scratch_.end() && scratch_.size() >= kMostScratchFiles) {
    throw Error(ENOSPC, "only domain.xml is kept here; there are too many other new files");
  }
  if (old != scratch_.end()) tree_.remove(old->second->id());
  NodeId id = 0;
  {
    const std::lock_guard tree_lock(tree_.mutex_);
    id = tree_.next_scratch_++;
  }
  auto node = std::make_shared<ScratchNode>(id, context_, permissions);
  scratch_[std::string(name)] = node;
  tree_.add(node);
  return node;
}

Tree::VmDirectory::Scratch::iterator Tree::VmDirectory::find_scratch(std::string_view name) {
  const auto found = scratch_.find(name);
  if (found == scratch_.end()) {
    throw Error(EACCES, "this file is part of the view: it cannot be removed or renamed");
  }
  return found;
}

void Tree::VmDirectory::remove(std::string_view name) {
  if (name == kDomain && fixed_.find(kDomain)) return vm_->remove_saved_domain_xml();
  const std::lock_guard lock(mutex_);
  const auto found = find_scratch(name);
  tree_.remove(found->second->id());
  scratch_.erase(found);
}

/// An editor puts the old domain.xml aside: it gets a copy, domain.xml stays.
void Tree::VmDirectory::keep_copy_of_domain(std::string_view name) {
  const std::string text = vm_->domain_xml();
  auto copy = std::static_pointer_cast<ScratchNode>(create(name, 0644));
  copy->buffer().write(0, std::as_bytes(std::span(text)));
}

void Tree::VmDirectory::rename(std::string_view from, std::string_view to) {
  if (from == kDomain && !fixed_.find(to)) return keep_copy_of_domain(to);
  const std::lock_guard lock(mutex_);
  const auto found = find_scratch(from);
  const std::shared_ptr<ScratchNode> node = found->second;
  if (to == kDomain && fixed_.find(kDomain)) {
    vm_->save_domain_xml(node->buffer().text());
    tree_.remove(node->id());
  } else if (fixed_.find(to)) {
    throw Error(EACCES, "this file is part of the view and cannot be replaced");
  } else {
    if (const auto old = scratch_.find(to); old != scratch_.end()) tree_.remove(old->second->id());
    scratch_[std::string(to)] = node;
  }
  scratch_.erase(scratch_.find(from));
}

Tree::Tree(const MountContext& context, std::vector<std::shared_ptr<Vm>> vms,
           std::function<std::string()> status, std::function<std::string()> appliance)
    : next_scratch_(kFirstScratchId) {
  auto root = std::make_shared<FixedDirectory>(kRootId, context, context.started);
  add(root);
  auto add_text = [&](NodeId id, const char* name, std::function<std::string()> compute) {
    auto node = std::make_shared<TextNode>(id, context, std::move(compute));
    root->add(name, node, false);
    add(node);
  };
  add_text(kRootId + 1, "status.json", std::move(status));
  if (appliance) add_text(kRootId + 2, "vapp.json", std::move(appliance));
  NodeId id = kFirstVmId;
  for (const std::shared_ptr<Vm>& vm : vms) {
    auto folder = std::make_shared<VmDirectory>(id, context, vm, *this);
    root->add(vm->folder(), folder, true);
    add(folder);
    const std::size_t nodes = vm->disk_count() + vm->snapshots().node_count() + kFilesBesideDisks;
    id += kIdsPerVm * (1 + nodes / kIdsPerVm);
  }
}

Tree::~Tree() = default;

void Tree::add(const std::shared_ptr<Node>& node) {
  const std::lock_guard lock(mutex_);
  nodes_[node->id()] = node;
}

void Tree::remove(NodeId id) {
  const std::lock_guard lock(mutex_);
  scratch_[id].is_removed = true;
  drop_if_unknown(id);
}

void Tree::drop_if_unknown(NodeId id) {
  const auto found = scratch_.find(id);
  if (found == scratch_.end() || found->second.lookups > 0 || !found->second.is_removed) return;
  scratch_.erase(found);
  nodes_.erase(id);
}

void Tree::remember(const std::shared_ptr<Node>& node) {
  if (node->id() >= kFirstGuestId) return guests_.remember(node);
  if (node->id() < kFirstScratchId) return;
  const std::lock_guard lock(mutex_);
  ++scratch_[node->id()].lookups;
}

void Tree::forget(NodeId id, std::uint64_t times) {
  if (id >= kFirstGuestId) return guests_.forget(id, times);
  if (id < kFirstScratchId) return;
  const std::lock_guard lock(mutex_);
  std::uint64_t& lookups = scratch_[id].lookups;
  lookups -= std::min(lookups, times);
  drop_if_unknown(id);
}

std::shared_ptr<Node> Tree::node(NodeId id) const {
  if (id >= kFirstGuestId) return guests_.node(id);
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) throw Error(ESTALE, "this file is gone");
  return found->second;
}

}  // namespace v2vfs::fs
