// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "fs/guest_paths.h"
#include "fs/guest_view.h"
#include "inspect/base/text.h"

// What a change makes of a path's state. Attributes survive what editors do: a file that replaces
// another one keeps that one's mode, owner, xattrs and label, but for what somebody asked for on
// the new one (ChosenParts). That holds for a rename over a file, and for a file that is made where
// the guest has one that was removed or renamed away meanwhile (vim); such a file gets no
// permission that either the guest's or the new one lacks.

namespace v2vfs::fs {

using convert::EditKind;
using inspect::FileKind;
using inspect::Xattr;

namespace {

constexpr const char* kLabel = "security.selinux";
constexpr std::uint32_t kAllPermissions = 07777;

EditKind edit_kind(FileKind kind) {
  switch (kind) {
    case FileKind::directory:
      return EditKind::directory;
    case FileKind::symlink:
      return EditKind::symlink;
    default:
      return EditKind::file;
  }
}

bool is_special(FileKind kind) {
  return kind != FileKind::file && kind != FileKind::directory && kind != FileKind::symlink;
}

auto find_xattr(std::vector<Xattr>& xattrs, const std::string& name) {
  return std::find_if(xattrs.begin(), xattrs.end(),
                      [&](const Xattr& xattr) { return xattr.name == name; });
}

void put_xattr(std::vector<Xattr>& xattrs, const Xattr& xattr) {
  const auto found = find_xattr(xattrs, xattr.name);
  if (found == xattrs.end()) {
    xattrs.push_back(xattr);
  } else {
    found->value = xattr.value;
  }
}

convert::ReplacedFile replaced_by(const std::optional<GuestView::Entry>& own) {
  if (!own) return {};
  const inspect::FileStat& stat = own->stat;
  return {true, stat.kind, stat.inode, stat.bytes, stat.modified_ns};
}

void check_xattr_name(const std::string& name) {
  for (const char* space : {"user.", "trusted.", "security.", "system.posix_acl_"}) {
    if (name.starts_with(space)) return;
  }
  throw Error(EOPNOTSUPP, "the guest's files have no such attributes");
}

}  // namespace

void GuestView::check_writable(const std::string& path) const {
  if (options_.read_only) throw Error(EROFS, "guest/ is read-only");
  if (const auto reason = why_not_writable(path)) {
    throw Error(EACCES, "{} is not changed: {}", clean_text(path), *reason);
  }
}

/// What is in a folder that only the plan has needs that folder of its own: edits come first.
void GuestView::save(std::vector<EditJournal::Change> changes) {
  std::vector<EditJournal::Change> folders;
  for (const EditJournal::Change& change : changes) {
    if (change.entry.wanted.kind == EditKind::absent) continue;
    for (std::string at = parent_path(change.entry.path); at != "/"; at = parent_path(at)) {
      const Seen seen = see(at);
      if (!seen.planned) break;
      folders.push_back(new_change(at, seen, EditKind::directory, seen.planned->permissions));
    }
  }
  changes.insert(changes.begin(), std::make_move_iterator(folders.rbegin()),
                 std::make_move_iterator(folders.rend()));
  journal_.save(std::move(changes));
}

void GuestView::save(EditJournal::Change change) {
  std::vector<EditJournal::Change> changes;
  changes.push_back(std::move(change));
  save(std::move(changes));
}

EditJournal::Change GuestView::change_of(const std::string& path, const Seen& seen) {
  EditJournal::Change change;
  if (seen.edit) {
    change.entry = *seen.edit;
    return change;
  }
  if (is_special(seen.kind())) {
    throw Error(EACCES, "{} is a special file of the guest", clean_text(path));
  }
  if (seen.planned) return change_of_planned(path, seen);
  JournalEntry& entry = change.entry;
  entry.path = path;
  entry.replaced = replaced_by(seen.own);
  entry.wanted.kind = edit_kind(seen.own->stat.kind);
  entry.wanted.permissions = seen.own->stat.permissions;
  entry.wanted.uid = seen.own->stat.uid;
  entry.wanted.gid = seen.own->stat.gid;
  entry.wanted.target = seen.own->target;
  entry.wanted.xattrs = tree_.xattrs(path);
  entry.chosen = {true, true, true, true};  // they are the guest's own
  return change;
}

/// The user's from now on, with what it was shown with.
EditJournal::Change GuestView::change_of_planned(const std::string& path, const Seen& seen) {
  const Entry entry = to_entry(path, seen);
  EditJournal::Change change =
      new_change(path, seen, edit_kind(entry.stat.kind), entry.stat.permissions);
  if (seen.own && seen.own->stat.kind == entry.stat.kind) {
    take_attributes(change.entry, path, {seen.own, std::nullopt, std::nullopt}, false);
  }
  change.entry.chosen = {true, true, true, true};
  change.entry.wanted.target = seen.planned->target;
  if (change.entry.wanted.has_content) change.content = seen.planned->text;
  return change;
}

/// root's, with the label that the policy has for it.
EditJournal::Change GuestView::new_change(const std::string& path, const Seen& seen, EditKind kind,
                                          std::uint32_t permissions) {
  EditJournal::Change change;
  JournalEntry& entry = change.entry;
  entry.path = path;
  entry.replaced = replaced_by(seen.own);
  entry.wanted.kind = kind;
  entry.wanted.permissions = permissions & kAllPermissions;
  entry.wanted.has_content = kind == EditKind::file;
  label(entry);
  return change;
}

EditJournal::Change GuestView::removal_of(const std::string& path, const Seen& seen) {
  if (seen.planned && !seen.own) {
    throw Error(EACCES, "{} is what the conversion will make: edit it, and yours is kept",
                clean_text(path));
  }
  EditJournal::Change change;
  change.entry.path = path;
  change.entry.replaced = replaced_by(seen.own);
  return change;
}

void GuestView::label(JournalEntry& entry) {
  if (entry.chosen.label) return;
  const auto found = find_xattr(entry.wanted.xattrs, kLabel);
  if (found != entry.wanted.xattrs.end()) entry.wanted.xattrs.erase(found);
  const FileKind kind = entry.wanted.kind == EditKind::directory ? FileKind::directory
                        : entry.wanted.kind == EditKind::symlink ? FileKind::symlink
                                                                 : FileKind::file;
  if (auto label = labels_.label(entry.path, kind)) {
    put_xattr(entry.wanted.xattrs, {kLabel, std::move(*label)});
  }
}

/// `narrow`: the permissions that both have.
void GuestView::take_attributes(JournalEntry& entry, const std::string& path, const Seen& replaced,
                                bool narrow) {
  const Entry old = to_entry(path, replaced);
  if (!entry.chosen.xattrs) {
    std::vector<Xattr> xattrs = xattrs_of(path, replaced);
    for (const Xattr& xattr : entry.wanted.xattrs) {
      if (xattr.name != kLabel || entry.chosen.label) put_xattr(xattrs, xattr);
    }
    entry.wanted.xattrs = std::move(xattrs);
  }
  if (!entry.chosen.permissions) {
    entry.wanted.permissions =
        narrow ? entry.wanted.permissions & old.stat.permissions : old.stat.permissions;
  }
  if (!entry.chosen.owner) {
    entry.wanted.uid = old.stat.uid;
    entry.wanted.gid = old.stat.gid;
  }
}

void GuestView::create(const std::string& path, std::uint32_t permissions) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  const Seen seen = expect_in_folder(path);
  if (seen.there()) throw Error(EEXIST, "{} is there already", clean_text(path));
  EditJournal::Change change = new_change(path, seen, EditKind::file, permissions);
  if (seen.own && seen.own->stat.kind == FileKind::file) {
    take_attributes(change.entry, path, {seen.own, std::nullopt, std::nullopt}, true);
  }
  change.content = "";
  save(std::move(change));
}

void GuestView::save_content(const std::string& path, const std::string& text) {
  EditJournal::Change change = change_of(path, expect(path));
  change.entry.wanted.has_content = true;
  change.content = text;
  save(std::move(change));
}

void GuestView::resize(const std::string& path, std::uint64_t bytes) {
  const auto open = open_for_writing(path, bytes == 0);
  open->resize(bytes);
  open->save();
}

void GuestView::set_permissions(const std::string& path, std::uint32_t permissions) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  EditJournal::Change change = change_of(path, expect(path));
  if (change.entry.wanted.kind == EditKind::symlink) {
    throw Error(EOPNOTSUPP, "a symlink has no permissions of its own");
  }
  change.entry.wanted.permissions = permissions & kAllPermissions;
  change.entry.chosen.permissions = true;
  save(std::move(change));
}

void GuestView::set_owner(const std::string& path, std::optional<std::uint32_t> uid,
                          std::optional<std::uint32_t> gid) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  const Seen seen = expect(path);
  if (!options_.guest_owner) {
    // Editors give the new file the owner that the old one was shown with.
    if (uid.value_or(options_.uid) == options_.uid && gid.value_or(options_.gid) == options_.gid) {
      return;
    }
    throw Error(EPERM, "owners are not shown; -o guest-owner shows them and lets them be changed");
  }
  EditJournal::Change change = change_of(path, seen);
  if (uid) change.entry.wanted.uid = *uid;
  if (gid) change.entry.wanted.gid = *gid;
  change.entry.chosen.owner = true;
  save(std::move(change));
}

void GuestView::set_xattr(const std::string& path, const Xattr& xattr, XattrRule rule) {
  check_writable(path);
  check_xattr_name(xattr.name);
  const std::lock_guard lock(mutex_);
  EditJournal::Change change = change_of(path, expect(path));
  std::vector<Xattr>& xattrs = change.entry.wanted.xattrs;
  const bool there = find_xattr(xattrs, xattr.name) != xattrs.end();
  if (rule == XattrRule::create && there) throw Error(EEXIST, "there is such an attribute");
  if (rule == XattrRule::replace && !there) throw Error(ENODATA, "there is no such attribute");
  put_xattr(xattrs, xattr);
  if (xattr.name == kLabel) change.entry.chosen.label = true;
  save(std::move(change));
}

void GuestView::remove_xattr(const std::string& path, const std::string& name) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  EditJournal::Change change = change_of(path, expect(path));
  std::vector<Xattr>& xattrs = change.entry.wanted.xattrs;
  const auto found = find_xattr(xattrs, name);
  if (found == xattrs.end()) throw Error(ENODATA, "there is no such attribute");
  xattrs.erase(found);
  save(std::move(change));
}

void GuestView::make_directory(const std::string& path, std::uint32_t permissions) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  const Seen seen = expect_in_folder(path);
  if (seen.there()) throw Error(EEXIST, "{} is there already", clean_text(path));
  save(new_change(path, seen, EditKind::directory, permissions));
}

void GuestView::make_symlink(const std::string& path, const std::string& target) {
  check_writable(path);
  if (!shown_target(path, target)) throw Error(EINVAL, "no program could follow that link");
  const std::lock_guard lock(mutex_);
  const Seen seen = expect_in_folder(path);
  if (seen.there()) throw Error(EEXIST, "{} is there already", clean_text(path));
  EditJournal::Change change = new_change(path, seen, EditKind::symlink, 0777);
  change.entry.wanted.target = target;
  save(std::move(change));
}

/// What is still open stays readable and writable, and goes nowhere.
void GuestView::orphan(const std::string& path) {
  const auto found = open_.find(path);
  if (found == open_.end()) return;
  if (const auto open = found->second.lock()) open->path_.clear();
  open_.erase(found);
}

void GuestView::remove_file(const std::string& path) {
  check_writable(path);
  std::shared_ptr<OpenGuestFile> open;  // goes after the lock
  const std::lock_guard lock(mutex_);
  const Seen seen = expect(path);
  if (seen.kind() == FileKind::directory) throw Error(EISDIR, "{} is a folder", clean_text(path));
  if (!seen.edit && is_special(seen.kind())) {
    throw Error(EACCES, "{} is a special file of the guest", clean_text(path));
  }
  save(removal_of(path, seen));
  open = open_file(path);
  orphan(path);
}

void GuestView::remove_directory(const std::string& path) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  const Seen seen = expect(path);
  if (!merged(path).empty()) throw Error(ENOTEMPTY, "{} is not empty", clean_text(path));
  save(removal_of(path, seen));
}

void GuestView::rename(const std::string& from, const std::string& to, bool may_replace) {
  check_writable(from);
  check_writable(to);
  std::shared_ptr<OpenGuestFile> moving, replaced_open;  // go after the lock
  const std::lock_guard lock(mutex_);
  Seen source = expect(from);
  const Seen target = expect_in_folder(to);
  if (from == to) return;
  if (source.kind() == FileKind::directory) {
    throw Error(EXDEV, "folders of a guest are not renamed, but copied");
  }
  if (target.there() && !may_replace) throw Error(EEXIST, "{} is there", clean_text(to));
  if (target.there() && target.kind() == FileKind::directory) {
    throw Error(EISDIR, "{} is a folder", clean_text(to));
  }
  if (target.there() && !target.edit && is_special(target.kind())) {
    throw Error(EACCES, "{} is a special file of the guest", clean_text(to));
  }
  EditJournal::Change moved = change_of(from, source);
  moving = open_file(from);
  const bool is_file = moved.entry.wanted.kind == EditKind::file;
  if (moving && moving->changed_) {
    moved.content = moving->text_;
  } else if (is_file && !moved.entry.wanted.has_content) {
    moved.content = whole(from, source);
  }
  moved.entry.wanted.has_content = is_file;
  moved.entry.path = to;
  moved.entry.replaced = replaced_by(target.own);
  label(moved.entry);
  if (is_file && target.there() && target.kind() == FileKind::file) {
    take_attributes(moved.entry, to, target, false);
  } else if (is_file && target.own && target.own->stat.kind == FileKind::file) {
    take_attributes(moved.entry, to, {target.own, std::nullopt, std::nullopt}, false);
  }
  std::vector<EditJournal::Change> changes;
  changes.push_back(std::move(moved));
  changes.push_back(removal_of(from, source));
  save(std::move(changes));
  replaced_open = open_file(to);
  orphan(to);
  open_.erase(from);
  if (!moving) return;
  moving->path_ = to;
  moving->changed_ = false;
  open_[to] = moving;
}

}  // namespace v2vfs::fs
