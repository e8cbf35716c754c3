// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/edit_journal.h"
#include "fs/guest_labels.h"
#include "fs/guest_tree.h"
#include "fs/planned_files.h"

namespace v2vfs::fs {

struct GuestViewOptions {
  /// Owners as in the guest; else everything belongs to `uid` and `gid`, and chown to those is all
  /// there is.
  bool guest_owner = false;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool read_only = false;
};

class GuestView;

/// The content of a guest file that somebody changes, or of one that was changed. All who have it
/// open share one; what they write is in
/// memory until save(). Ends with its last owner. Thread safe.
class OpenGuestFile {
 public:
  OpenGuestFile(GuestView& view, std::string path, std::string text)
      : view_(view), path_(std::move(path)), text_(std::move(text)) {}
  ~OpenGuestFile();
  OpenGuestFile(const OpenGuestFile&) = delete;

  std::string read(std::uint64_t offset, std::size_t length) const;
  void write(std::uint64_t offset, std::string_view bytes);
  void append(std::string_view bytes);
  void resize(std::uint64_t bytes);
  std::uint64_t bytes() const;
  /// What was written is durable; nothing happens for a file that was removed meanwhile.
  void save();

 private:
  friend class GuestView;
  void write_locked(std::uint64_t offset, std::string_view bytes);

  GuestView& view_;
  std::string path_;  // guarded by the view's mutex; empty: it was removed
  std::string text_;  // guarded by the view's mutex
  bool changed_ = false;
};

/// A guest's files as its user sees them: the guest's own, over them what a conversion that is to
/// come will make of them, and over that the journal's edits.
/// Paths are physical (guest_paths.h). Changes are durable when they return; they throw EROFS,
/// EACCES (a place that is not edited), and as system calls do. Calls throw what the tree throws,
/// and have then changed nothing. Thread safe.
class GuestView {
 public:
  using Entry = inspect::FileEntry;  // .target: as the mount shows it (guest_paths.h)

  /// `tree` and `journal` outlive it.
  GuestView(GuestTree& tree, EditJournal& journal, GuestViewOptions options);
  ~GuestView();

  /// Null: no conversion is to come.
  void show_plan(std::shared_ptr<const PlannedFiles> plan);

  std::optional<Entry> find(const std::string& path);
  std::vector<Entry> list(const std::string& path);
  std::vector<inspect::Xattr> xattrs(const std::string& path);
  /// Of a regular file, as it is at this moment; fewer bytes only at its end. EINVAL for others.
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length);

  /// Of an edited file, or one that somebody has open for writing; nullptr: what the guest has is
  /// to be read, with read_own(). EACCES for what is no regular file.
  std::shared_ptr<OpenGuestFile> open_for_reading(const std::string& path);
  /// Whatever was edited since: for those who opened it before.
  std::string read_own(const std::string& path, std::uint64_t offset, std::size_t length);
  std::shared_ptr<OpenGuestFile> open_for_writing(const std::string& path, bool truncate);
  /// EROFS or EACCES for a place where nothing is written.
  void check_writable(const std::string& path) const;
  void create(const std::string& path, std::uint32_t permissions);
  void resize(const std::string& path, std::uint64_t bytes);
  void set_permissions(const std::string& path, std::uint32_t permissions);
  void set_owner(const std::string& path, std::optional<std::uint32_t> uid,
                 std::optional<std::uint32_t> gid);
  enum class XattrRule { any, create, replace };
  void set_xattr(const std::string& path, const inspect::Xattr& xattr, XattrRule rule);
  void remove_xattr(const std::string& path, const std::string& name);
  void make_directory(const std::string& path, std::uint32_t permissions);
  void make_symlink(const std::string& path, const std::string& target);
  void remove_file(const std::string& path);
  void remove_directory(const std::string& path);
  /// A folder is not renamed (EXDEV: mv copies it then).
  void rename(const std::string& from, const std::string& to, bool may_replace);

 private:
  friend class OpenGuestFile;

  /// A path as it stands: what the guest has, and the edit or the plan over it.
  struct Seen {
    std::optional<Entry> own;
    std::optional<JournalEntry> edit;
    std::optional<PlannedFile> planned;  // only where there is no edit
    bool there() const;
    inspect::FileKind kind() const;
  };
  Seen see(const std::string& path);
  void lay_plan_over(const std::string& path, Seen& seen) const;
  Seen expect(const std::string& path);
  Seen expect_in_folder(const std::string& path);
  Entry to_entry(const std::string& path, const Seen& seen) const;
  Entry shown(const std::string& path, Entry entry) const;
  std::vector<Entry> merged(const std::string& path);
  std::string read_locked(const std::string& path, const Seen& seen, std::uint64_t offset,
                          std::size_t length);
  std::string whole(const std::string& path, const Seen& seen);
  std::vector<inspect::Xattr> xattrs_of(const std::string& path, const Seen& seen);

  /// The state of what is there, to be changed and saved.
  EditJournal::Change change_of(const std::string& path, const Seen& seen);
  EditJournal::Change new_change(const std::string& path, const Seen& seen, convert::EditKind kind,
                                 std::uint32_t permissions);
  EditJournal::Change change_of_planned(const std::string& path, const Seen& seen);
  EditJournal::Change removal_of(const std::string& path, const Seen& seen);
  void take_attributes(JournalEntry& entry, const std::string& path, const Seen& replaced,
                       bool narrow);
  void label(JournalEntry& entry);
  void save_content(const std::string& path, const std::string& text);
  void save(EditJournal::Change change);
  void save(std::vector<EditJournal::Change> changes);
  std::shared_ptr<OpenGuestFile> share(const std::string& path, std::string text);
  std::shared_ptr<OpenGuestFile> open_file(const std::string& path) const;
  void orphan(const std::string& path);

  GuestTree& tree_;
  EditJournal& journal_;
  const GuestViewOptions options_;

  /// Recursive: whoever looks at an open file may turn out to be the last who does.
  mutable std::recursive_mutex mutex_;
  GuestLabels labels_;                                        // guarded by mutex_
  std::shared_ptr<const PlannedFiles> plan_;                  // guarded by mutex_; or null
  std::map<std::string, std::weak_ptr<OpenGuestFile>> open_;  // guarded by mutex_
  std::uint64_t unsaved_bytes_ = 0;                           // guarded by mutex_
};

}  // namespace v2vfs::fs
