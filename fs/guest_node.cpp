// SPDX-License-Identifier: MIT
#include "fs/guest_node.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "fs/guest_paths.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {

using inspect::FileKind;

namespace {

/// A FIFO is shown as a socket: opening one would wait, on this host, for somebody who never comes.
mode_t type_of(FileKind kind) {
  switch (kind) {
    case FileKind::directory:
      return S_IFDIR;
    case FileKind::symlink:
      return S_IFLNK;
    case FileKind::block_device:
      return S_IFBLK;
    case FileKind::character_device:
      return S_IFCHR;
    case FileKind::fifo:
    case FileKind::socket:
      return S_IFSOCK;
    default:
      return S_IFREG;
  }
}

/// Device numbers are not shown: a node of a guest must never be one of this host.
Attr to_attr(NodeId id, const inspect::FileStat& stat) {
  Attr attr;
  attr.id = id;
  attr.mode = type_of(stat.kind) | stat.permissions;
  attr.uid = stat.uid;
  attr.gid = stat.gid;
  attr.links = std::max<std::uint64_t>(stat.links, 1);
  attr.bytes = stat.bytes;
  attr.allocated_bytes = stat.allocated_bytes;
  std::int64_t seconds = stat.modified_ns / 1'000'000'000;
  std::int64_t rest = stat.modified_ns % 1'000'000'000;
  if (rest < 0) --seconds, rest += 1'000'000'000;
  attr.modified = {static_cast<time_t>(seconds), static_cast<long>(rest)};
  return attr;
}

std::size_t copy_out(const std::string& text, std::span<std::byte> out) {
  std::memcpy(out.data(), text.data(), text.size());
  return text.size();
}

}  // namespace

/// Which nodes the kernel knows, and where they are now.
class GuestRegistry {
 public:
  /// Which file of which VM a node is. The path changes when it is renamed; empty: it was removed.
  struct Place {
    std::shared_ptr<Vm> vm;
    std::string path;
    FileKind kind = FileKind::file;
  };

  NodeId id_for(const Vm& vm, const std::string& path) const {
    const std::lock_guard lock(mutex_);
    return id_locked(vm, path);
  }
  Place place(NodeId id, const Place& made) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    return found == known_.end() ? made : found->second.place;
  }
  /// Null: the kernel does not know it.
  std::shared_ptr<Node> known(const Vm& vm, const std::string& path, FileKind kind) {
    const std::lock_guard lock(mutex_);
    const auto id = ids_.find({&vm, path});
    if (id == ids_.end()) return nullptr;
    const Known& node = known_.at(id->second);
    if (node.place.kind == kind) return node.node;
    drop_path(vm, path);  // the guest made something else of it
    return nullptr;
  }
  std::shared_ptr<Node> find(NodeId id) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    return found == known_.end() ? nullptr : found->second.node;
  }
  void remember(const std::shared_ptr<Node>& node, const Place& place) {
    const std::lock_guard lock(mutex_);
    Known& known = known_[node->id()];
    if (!known.node) {
      known.node = node;
      known.place = place;
      ids_[{place.vm.get(), place.path}] = node->id();
    }
    ++known.lookups;
  }
  void forget(NodeId id, std::uint64_t times) {
    std::shared_ptr<Node> last;  // goes after the lock
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    if (found == known_.end()) return;
    found->second.lookups -= std::min(times, found->second.lookups);
    if (found->second.lookups > 0) return;
    const Place& place = found->second.place;
    if (!place.path.empty()) ids_.erase({place.vm.get(), place.path});
    last = std::move(found->second.node);
    known_.erase(found);
  }
  void removed(const Vm& vm, const std::string& path) {
    const std::lock_guard lock(mutex_);
    drop_path(vm, path);
  }
  void moved(const Vm& vm, const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    drop_path(vm, to);
    const auto id = ids_.find({&vm, from});
    if (id == ids_.end()) return;
    const NodeId node = id->second;
    ids_.erase(id);
    ids_[{&vm, to}] = node;
    known_.at(node).place.path = to;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return known_.size();
  }

 private:
  struct Known {
    std::shared_ptr<Node> node;
    std::uint64_t lookups = 0;
    Place place;
  };
  using Key = std::pair<const Vm*, std::string>;

  NodeId id_locked(const Vm& vm, const std::string& path) const {
    const auto found = ids_.find({&vm, path});
    if (found != ids_.end()) return found->second;
    NodeId id = kFirstGuestId | std::hash<std::string>()(vm.folder() + "/" + path);
    while (known_.contains(id)) id = kFirstGuestId | (id + 1);
    return id;
  }
  void drop_path(const Vm& vm, const std::string& path) {
    const auto id = ids_.find({&vm, path});
    if (id == ids_.end()) return;
    known_.at(id->second).place.path.clear();
    ids_.erase(id);
  }

  mutable std::mutex mutex_;
  std::map<NodeId, Known> known_;  // guarded by mutex_
  std::map<Key, NodeId> ids_;      // guarded by mutex_: of those in known_ that have a path
};

namespace {

/// What a node of either class is; its path is asked for each time, since files are renamed.
class GuestPlace {
 public:
  GuestPlace(NodeId id, GuestRegistry& registry, GuestRegistry::Place made)
      : id_(id), registry_(registry), made_(std::move(made)) {}

  const std::shared_ptr<Vm>& vm() const { return made_.vm; }
  const GuestRegistry::Place& made() const { return made_; }
  std::string path() const {
    std::string path = registry_.place(id_, made_).path;
    if (path.empty()) throw Error(ESTALE, "this file is gone");
    return path;
  }
  GuestView& view() const {
    vm()->need_loaded();
    return vm()->guest_files().view();
  }
  void edit(const std::function<void(GuestView&)>& change) const {
    vm()->need_loaded();
    vm()->guest_files().edit(change);
  }
  /// Programs ask for the attributes of what they have open and somebody removed.
  Attr attr() {
    const std::string path = registry_.place(id_, made_).path;
    std::optional<inspect::FileEntry> entry;
    if (!path.empty()) entry = view().find(path);
    const std::lock_guard lock(mutex_);
    if (entry) {
      last_ = to_attr(id_, entry->stat);
    } else if (!last_) {
      throw Error(path.empty() ? ESTALE : ENOENT, "this file is gone");
    } else {
      last_->links = 0;
    }
    return *last_;
  }
  void change(const AttrChange& change) {
    const std::string path = this->path();
    edit([&](GuestView& view) {
      if (change.permissions) view.set_permissions(path, *change.permissions);
      if (change.uid || change.gid) view.set_owner(path, change.uid, change.gid);
      if (change.bytes) view.resize(path, *change.bytes);
    });
  }

  // Access lists are kept through an edit, but neither shown nor set: whoever lists a folder asks
  // for those of each file.
  std::string xattr(std::string_view name) {
    if (name.starts_with("system.")) throw Error(EOPNOTSUPP, "access lists are not shown");
    for (const inspect::Xattr& xattr : view().xattrs(path())) {
      if (xattr.name == name) return xattr.value;
    }
    throw Error(ENODATA, "there is no such attribute");
  }
  std::vector<std::string> xattr_names() {
    std::vector<std::string> names;
    for (const inspect::Xattr& xattr : view().xattrs(path())) {
      if (!xattr.name.starts_with("system.")) names.push_back(xattr.name);
    }
    return names;
  }
  void set_xattr(std::string_view name, std::string_view value, XattrMode mode) {
    if (name.starts_with("system.")) throw Error(EOPNOTSUPP, "access lists are not changed here");
    using Rule = GuestView::XattrRule;
    const Rule rule = mode == XattrMode::create    ? Rule::create
                      : mode == XattrMode::replace ? Rule::replace
                                                   : Rule::any;
    edit([&](GuestView& view) {
      view.set_xattr(path(), {std::string(name), std::string(value)}, rule);
    });
  }
  void remove_xattr(std::string_view name) {
    if (name.starts_with("system.")) throw Error(EOPNOTSUPP, "access lists are not changed here");
    edit([&](GuestView& view) { view.remove_xattr(path(), std::string(name)); });
  }

 private:
  const NodeId id_;
  GuestRegistry& registry_;
  const GuestRegistry::Place made_;
  std::mutex mutex_;
  std::optional<Attr> last_;  // guarded by mutex_
};

/// Open for reading what the guest itself has.
class OwnHandle : public Handle {
 public:
  OwnHandle(std::shared_ptr<Vm> vm, std::string path)
      : vm_(std::move(vm)), path_(std::move(path)) {}
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return copy_out(vm_->guest_files().view().read_own(path_, offset, out.size()), out);
  }

 private:
  const std::shared_ptr<Vm> vm_;
  const std::string path_;
};

class EditedHandle : public Handle {
 public:
  /// `pass` of one that writes.
  EditedHandle(std::shared_ptr<Vm> vm, std::shared_ptr<OpenGuestFile> file, int flags,
               std::optional<Gate::Pass> pass = std::nullopt)
      : vm_(std::move(vm)),
        pass_(std::move(pass)),
        file_(std::move(file)),
        appends_(flags & O_APPEND) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    return copy_out(file_->read(offset, out.size()), out);
  }
  void write(std::uint64_t offset, std::span<const std::byte> in, bool sync,
             const Caller& caller) override {
    if (!pass_) return Handle::write(offset, in, sync, caller);
    const std::string_view bytes(reinterpret_cast<const char*>(in.data()), in.size());
    appends_ ? file_->append(bytes) : file_->write(offset, bytes);
    if (sync) flush();
  }
  void resize(std::uint64_t bytes) override { file_->resize(bytes); }
  void flush() override {
    if (pass_) vm_->guest_files().save(*file_);
  }
  void fsync() override { flush(); }

 private:
  const std::shared_ptr<Vm> vm_;
  const std::optional<Gate::Pass> pass_;
  const std::shared_ptr<OpenGuestFile> file_;
  const bool appends_;
};

/// What both classes of nodes hand to their place.
template <typename Base>
class InGuest : public Base {
 public:
  InGuest(NodeId id, GuestRegistry& registry, GuestRegistry::Place made)
      : Base(id), registry_(registry), place_(id, registry, std::move(made)) {}

  const GuestRegistry::Place& made() const { return place_.made(); }
  Attr attr() override { return place_.attr(); }
  void change(const AttrChange& change) override { place_.change(change); }
  std::string xattr(std::string_view name) override { return place_.xattr(name); }
  std::vector<std::string> xattr_names() override { return place_.xattr_names(); }
  void set_xattr(std::string_view name, std::string_view value, XattrMode mode) override {
    place_.set_xattr(name, value, mode);
  }
  void remove_xattr(std::string_view name) override { place_.remove_xattr(name); }

 protected:
  GuestRegistry& registry_;
  GuestPlace place_;
};

class GuestFileNode : public InGuest<Node> {
 public:
  using InGuest<Node>::InGuest;

  std::string readlink() override {
    const auto entry = place_.view().find(place_.path());
    if (!entry || entry->target.empty()) throw Error(EINVAL, "no link, or one that leads nowhere");
    return entry->target;
  }
  std::unique_ptr<Handle> open(int flags, const Caller& caller) override {
    const std::string path = place_.path();
    if (wants_writing(flags)) {
      GuestView& view = place_.view();
      std::optional<Gate::Pass> pass = place_.vm()->guest_files().begin_edit(caller.pid);
      auto file = view.open_for_writing(path, flags & O_TRUNC);
      return std::make_unique<EditedHandle>(place_.vm(), std::move(file), flags, std::move(pass));
    }
    if (auto file = place_.view().open_for_reading(path)) {
      return std::make_unique<EditedHandle>(place_.vm(), std::move(file), flags);
    }
    return std::make_unique<OwnHandle>(place_.vm(), path);
  }
};

class GuestFolder : public InGuest<Directory> {
 public:
  using InGuest<Directory>::InGuest;

  std::shared_ptr<Node> child(std::string_view name) override {
    const std::string path = below(name);
    const auto entry = place_.view().find(path);
    return entry ? node_at(path, entry->stat.kind) : nullptr;
  }
  std::vector<DirEntry> list() override {
    const std::string path = place_.path();
    std::vector<DirEntry> entries;
    for (const inspect::FileEntry& entry : place_.view().list(path)) {
      const NodeId id = registry_.id_for(*place_.vm(), join_path(path, entry.name));
      const mode_t type = type_of(entry.stat.kind);
      entries.push_back({entry.name, id, type == S_IFDIR, type});
    }
    return entries;
  }
  std::shared_ptr<Node> create(std::string_view name, mode_t permissions) override {
    const std::string path = below(name);
    place_.edit([&](GuestView& view) { view.create(path, permissions); });
    return node_at(path, FileKind::file);
  }
  std::shared_ptr<Node> make_directory(std::string_view name, mode_t permissions) override {
    const std::string path = below(name);
    place_.edit([&](GuestView& view) { view.make_directory(path, permissions); });
    return node_at(path, FileKind::directory);
  }
  std::shared_ptr<Node> make_symlink(std::string_view name, std::string_view target) override {
    const std::string path = below(name);
    place_.edit([&](GuestView& view) { view.make_symlink(path, std::string(target)); });
    return node_at(path, FileKind::symlink);
  }
  void remove(std::string_view name) override {
    const std::string path = below(name);
    place_.edit([&](GuestView& view) { view.remove_file(path); });
    registry_.removed(*place_.vm(), path);
  }
  void remove_directory(std::string_view name) override {
    const std::string path = below(name);
    place_.edit([&](GuestView& view) { view.remove_directory(path); });
    registry_.removed(*place_.vm(), path);
  }
  void move(std::string_view from, Directory& folder, std::string_view to,
            bool may_replace) override {
    const auto* other = dynamic_cast<GuestFolder*>(&folder);
    if (!other || other->place_.vm() != place_.vm()) {
      throw Error(EXDEV, "files stay in their guest");
    }
    const std::string old_path = below(from), new_path = other->below(to);
    place_.edit([&](GuestView& view) { view.rename(old_path, new_path, may_replace); });
    registry_.moved(*place_.vm(), old_path, new_path);
  }

 protected:
  std::string below(std::string_view name) const { return join_path(place_.path(), name); }
  std::shared_ptr<Node> node_at(const std::string& path, FileKind kind) {
    if (auto known = registry_.known(*place_.vm(), path, kind)) return known;
    const NodeId id = registry_.id_for(*place_.vm(), path);
    GuestRegistry::Place place{place_.vm(), path, kind};
    if (kind == FileKind::directory) {
      return std::make_shared<GuestFolder>(id, registry_, std::move(place));
    }
    return std::make_shared<GuestFileNode>(id, registry_, std::move(place));
  }
};

/// guest/: looking at it from outside starts nothing.
class GuestRoot : public GuestFolder {
 public:
  GuestRoot(NodeId id, const MountContext& context, GuestRegistry& registry, std::shared_ptr<Vm> vm)
      : GuestFolder(id, registry, {std::move(vm), "/", FileKind::directory}), context_(context) {}

  Attr attr() override {
    Attr attr;
    attr.id = id();
    attr.mode = S_IFDIR | 0755;
    attr.uid = context_.uid;
    attr.gid = context_.gid;
    attr.modified = context_.started;
    return attr;
  }
  void change(const AttrChange& change) override { Node::change(change); }
  std::string xattr(std::string_view name) override { return Node::xattr(name); }
  std::vector<std::string> xattr_names() override { return {}; }

 private:
  const MountContext& context_;
};

}  // namespace

GuestNodes::GuestNodes() : registry_(std::make_shared<GuestRegistry>()) {}
GuestNodes::~GuestNodes() = default;

std::shared_ptr<Directory> GuestNodes::make_root(NodeId id, const MountContext& context,
                                                 std::shared_ptr<Vm> vm) {
  return std::make_shared<GuestRoot>(id, context, *registry_, std::move(vm));
}

std::shared_ptr<Node> GuestNodes::node(NodeId id) const {
  auto node = registry_->find(id);
  if (!node) throw Error(ESTALE, "this file is gone");
  return node;
}

void GuestNodes::remember(const std::shared_ptr<Node>& node) {
  if (const auto* file = dynamic_cast<GuestFileNode*>(node.get())) {
    registry_->remember(node, file->made());
  } else if (const auto* folder = dynamic_cast<GuestFolder*>(node.get())) {
    registry_->remember(node, folder->made());
  }
}

void GuestNodes::forget(NodeId id, std::uint64_t times) { registry_->forget(id, times); }

std::size_t GuestNodes::remembered() const { return registry_->size(); }

}  // namespace v2vfs::fs
