// SPDX-License-Identifier: MIT
#include "fs/guest_view.h"

#include <algorithm>
#include <cerrno>

#include "fs/guest_paths.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {

using convert::EditKind;
using inspect::FileKind;
using inspect::Xattr;

namespace {

FileKind kind_of(EditKind kind) {
  switch (kind) {
    case EditKind::directory:
      return FileKind::directory;
    case EditKind::symlink:
      return FileKind::symlink;
    default:
      return FileKind::file;
  }
}

FileKind kind_of(PlannedFile::Kind kind) {
  switch (kind) {
    case PlannedFile::Kind::folder:
      return FileKind::directory;
    case PlannedFile::Kind::symlink:
      return FileKind::symlink;
    default:
      return FileKind::file;
  }
}

/// As it will be; what is there keeps its owner and mode.
void lay_over(const PlannedFile& planned, GuestView::Entry& entry, bool is_new) {
  inspect::FileStat& stat = entry.stat;
  is_new |= stat.kind != kind_of(planned.kind);
  stat.kind = kind_of(planned.kind);
  if (is_new) stat.permissions = planned.permissions;
  entry.target = planned.target;
  stat.bytes = stat.allocated_bytes = planned.text.size() + planned.target.size();
}

}  // namespace

GuestView::GuestView(GuestTree& tree, EditJournal& journal, GuestViewOptions options)
    : tree_(tree), journal_(journal), options_(options), labels_(tree) {}

GuestView::~GuestView() = default;

bool GuestView::Seen::there() const {
  if (edit) return edit->wanted.kind != EditKind::absent;
  return planned ? planned->kind != PlannedFile::Kind::absent : own.has_value();
}

FileKind GuestView::Seen::kind() const {
  if (edit) return kind_of(edit->wanted.kind);
  return planned ? kind_of(planned->kind) : own->stat.kind;
}

void GuestView::show_plan(std::shared_ptr<const PlannedFiles> plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

/// The guest is asked first: whoever opens it brings the plan along.
GuestView::Seen GuestView::see(const std::string& path) {
  Seen seen{tree_.find(path), journal_.find(path), std::nullopt};
  lay_plan_over(path, seen);
  return seen;
}

void GuestView::lay_plan_over(const std::string& path, Seen& seen) const {
  const PlannedFile* planned = plan_ && !seen.edit ? plan_->find(path) : nullptr;
  if (!planned || (planned->kind == PlannedFile::Kind::folder && seen.own)) return;
  seen.planned = *planned;
}

GuestView::Seen GuestView::expect(const std::string& path) {
  Seen seen = see(path);
  if (!seen.there()) throw Error(ENOENT, "{} is not there", clean_text(path));
  return seen;
}

/// For something new: its folder must be there.
GuestView::Seen GuestView::expect_in_folder(const std::string& path) {
  if (expect(parent_path(path)).kind() != FileKind::directory) {
    throw Error(ENOTDIR, "{} is no folder", clean_text(parent_path(path)));
  }
  return see(path);
}

GuestView::Entry GuestView::to_entry(const std::string& path, const Seen& seen) const {
  Entry entry = seen.own.value_or(Entry{});
  entry.name = file_name(path);
  if (seen.planned) lay_over(*seen.planned, entry, !seen.own);
  if (!seen.edit) return entry;
  const JournalEntry& edit = *seen.edit;
  inspect::FileStat& stat = entry.stat;
  stat.kind = kind_of(edit.wanted.kind);
  stat.permissions = edit.wanted.permissions;
  stat.uid = edit.wanted.uid;
  stat.gid = edit.wanted.gid;
  entry.target = edit.wanted.target;
  if (edit.wanted.kind == EditKind::file && !edit.wanted.has_content) return entry;
  if (edit.wanted.kind == EditKind::directory && seen.own) return entry;
  stat.bytes = edit.content ? edit.content->bytes : entry.target.size();
  stat.allocated_bytes = stat.bytes;
  stat.modified_ns = edit.saved_ns;
  return entry;
}

/// Folders have one link, which tells programs that it says nothing of what is in them.
GuestView::Entry GuestView::shown(const std::string& path, Entry entry) const {
  if (!options_.guest_owner) {
    entry.stat.uid = options_.uid;
    entry.stat.gid = options_.gid;
  }
  if (entry.stat.kind == FileKind::directory) entry.stat.links = 1;
  if (entry.stat.kind == FileKind::symlink) {
    entry.target = shown_target(path, entry.target).value_or("");
    entry.stat.bytes = entry.target.size();
  }
  if (const auto open = open_file(path); open && open->changed_) {
    entry.stat.bytes = entry.stat.allocated_bytes = open->text_.size();
  }
  return entry;
}

std::optional<GuestView::Entry> GuestView::find(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Seen seen = see(path);
  if (!seen.there()) return std::nullopt;
  return shown(path, to_entry(path, seen));
}

std::vector<GuestView::Entry> GuestView::merged(const std::string& path) {
  const Seen folder = expect(path);
  if (folder.kind() != FileKind::directory) {
    throw Error(ENOTDIR, "{} is no folder", clean_text(path));
  }
  std::map<std::string, Seen> seen;
  if (folder.own && folder.own->stat.kind == FileKind::directory) {
    for (const Entry& entry : *tree_.list(path)) seen[entry.name].own = entry;
  }
  for (JournalEntry& edit : journal_.children(path)) {
    const std::string name = file_name(edit.path);
    seen[name].edit = std::move(edit);
  }
  for (std::string& name : plan_ ? plan_->names_in(path) : std::vector<std::string>()) {
    seen.try_emplace(std::move(name));
  }
  std::vector<Entry> entries;
  for (auto& [name, one] : seen) {
    const std::string child = join_path(path, name);
    lay_plan_over(child, one);
    if (one.there()) entries.push_back(shown(child, to_entry(child, one)));
  }
  return entries;
}

std::vector<GuestView::Entry> GuestView::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return merged(path);
}

std::vector<Xattr> GuestView::xattrs_of(const std::string& path, const Seen& seen) {
  if (seen.edit) return seen.edit->wanted.xattrs;
  return seen.own ? tree_.xattrs(path) : std::vector<Xattr>();
}

std::vector<Xattr> GuestView::xattrs(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return xattrs_of(path, expect(path));
}

std::string GuestView::read_locked(const std::string& path, const Seen& seen, std::uint64_t offset,
                                   std::size_t length) {
  if (seen.kind() != FileKind::file) {
    throw Error(EINVAL, "{} is a special file of the guest: it is shown, not opened",
                clean_text(path));
  }
  if (seen.planned) {
    const std::string& text = seen.planned->text;
    return offset < text.size() ? text.substr(offset, length) : std::string();
  }
  if (!seen.edit || !seen.edit->wanted.has_content) return tree_.read(path, offset, length);
  const std::string text = journal_.content(*seen.edit);
  return offset < text.size() ? text.substr(offset, length) : std::string();
}

std::string GuestView::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  const std::lock_guard lock(mutex_);
  if (const auto open = open_file(path)) {
    return offset < open->text_.size() ? open->text_.substr(offset, length) : std::string();
  }
  return read_locked(path, expect(path), offset, length);
}

std::string GuestView::whole(const std::string& path, const Seen& seen) {
  if (to_entry(path, seen).stat.bytes > convert::kLargestEdit) {
    throw Error(EFBIG, "{} is larger than 16 MiB: that is not edited here", clean_text(path));
  }
  std::string text = read_locked(path, seen, 0, convert::kLargestEdit + 1);
  if (text.size() > convert::kLargestEdit) throw Error(EFBIG, "{} is larger than 16 MiB", path);
  return text;
}

// Open files

constexpr std::uint64_t kMostUnsaved = 128 << 20;

OpenGuestFile::~OpenGuestFile() {
  const std::lock_guard lock(view_.mutex_);
  view_.unsaved_bytes_ -= text_.size();
  const auto found = view_.open_.find(path_);
  if (found != view_.open_.end() && found->second.expired()) view_.open_.erase(found);
}

std::string OpenGuestFile::read(std::uint64_t offset, std::size_t length) const {
  const std::lock_guard lock(view_.mutex_);
  return offset < text_.size() ? text_.substr(offset, length) : std::string();
}

void OpenGuestFile::write_locked(std::uint64_t offset, std::string_view bytes) {
  if (bytes.size() > convert::kLargestEdit || offset > convert::kLargestEdit - bytes.size()) {
    throw Error(EFBIG, "a file that is edited here has at most 16 MiB");
  }
  const std::size_t end = offset + bytes.size();
  if (end > text_.size()) {
    const std::size_t more = end - text_.size();
    if (view_.unsaved_bytes_ + more > kMostUnsaved) throw Error(ENOSPC, "too much is being edited");
    text_.resize(end);
    view_.unsaved_bytes_ += more;
  }
  text_.replace(offset, bytes.size(), bytes);
  changed_ = true;
}

void OpenGuestFile::write(std::uint64_t offset, std::string_view bytes) {
  const std::lock_guard lock(view_.mutex_);
  write_locked(offset, bytes);
}

void OpenGuestFile::append(std::string_view bytes) {
  const std::lock_guard lock(view_.mutex_);
  write_locked(text_.size(), bytes);
}

void OpenGuestFile::resize(std::uint64_t bytes) {
  const std::lock_guard lock(view_.mutex_);
  if (bytes > text_.size()) return write_locked(bytes, "");
  view_.unsaved_bytes_ -= text_.size() - bytes;
  text_.resize(bytes);
  changed_ = true;
}

std::uint64_t OpenGuestFile::bytes() const {
  const std::lock_guard lock(view_.mutex_);
  return text_.size();
}

void OpenGuestFile::save() {
  const std::lock_guard lock(view_.mutex_);
  if (!changed_ || path_.empty()) return;
  view_.save_content(path_, text_);
  changed_ = false;
}

/// One that is on its way out is none any more.
std::shared_ptr<OpenGuestFile> GuestView::open_file(const std::string& path) const {
  const auto found = open_.find(path);
  return found == open_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<OpenGuestFile> GuestView::share(const std::string& path, std::string text) {
  if (unsaved_bytes_ + text.size() > kMostUnsaved) throw Error(ENOSPC, "too much is being edited");
  unsaved_bytes_ += text.size();
  auto open = std::make_shared<OpenGuestFile>(*this, path, std::move(text));
  open_[path] = open;
  return open;
}

std::shared_ptr<OpenGuestFile> GuestView::open_for_writing(const std::string& path, bool truncate) {
  check_writable(path);
  const std::lock_guard lock(mutex_);
  const Seen seen = expect(path);
  if (seen.kind() != FileKind::file) throw Error(EACCES, "{} is no file", clean_text(path));
  std::shared_ptr<OpenGuestFile> open = open_file(path);
  if (!open) open = share(path, truncate ? std::string() : whole(path, seen));
  if (truncate) {
    unsaved_bytes_ -= open->text_.size();
    open->text_.clear();
    open->changed_ = true;
  }
  return open;
}

std::shared_ptr<OpenGuestFile> GuestView::open_for_reading(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Seen seen = expect(path);
  if (seen.kind() != FileKind::file) {
    throw Error(EACCES, "{} is a special file of the guest: it is shown, not opened",
                clean_text(path));
  }
  if (auto open = open_file(path)) return open;
  if (seen.planned) return share(path, seen.planned->text);
  if (!seen.edit || !seen.edit->wanted.has_content) return nullptr;
  return share(path, journal_.content(*seen.edit));
}

std::string GuestView::read_own(const std::string& path, std::uint64_t offset, std::size_t length) {
  const auto own = tree_.find(path);
  if (!own || own->stat.kind != FileKind::file) {
    throw Error(ESTALE, "{} is gone from the guest", clean_text(path));
  }
  return tree_.read(path, offset, length);
}

}  // namespace v2vfs::fs
