// SPDX-License-Identifier: MIT
#include "convert/guest/apply_edits.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/digest.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::FileKind;
using inspect::FileStat;
using inspect::Guest;
using inspect::Xattr;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::size_t depth_of(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

std::optional<FileStat> find(Guest& guest, const std::string& path) {
  try {
    return guest.stat(path);
  } catch (const Error& error) {
    if (error.error_number() == ENOENT || error.error_number() == ENOTDIR) return std::nullopt;
    throw;
  }
}

/// The same for the same path, so that what a crash left is found and replaced.
std::string temporary_name(const std::string& path) {
  const std::string folder = parent_of(path);
  return (folder == "/" ? folder : folder + "/") + ".v2vfs-" +
         Digest().add(path).hex().substr(0, 16) + ".new";
}

/// Something in the making beside its place; it goes when it was not moved there.
class Temporary {
 public:
  Temporary(Guest& guest, const std::string& path) : guest_(guest), name_(temporary_name(path)) {
    if (find(guest_, name_)) guest_.remove(name_);
  }
  ~Temporary() {
    try {
      if (!moved_ && find(guest_, name_)) guest_.remove(name_);
    } catch (const Error&) {  // the next try removes it
    }
  }
  const std::string& name() const { return name_; }
  void move_to(const std::string& path) {
    guest_.rename(name_, path);
    moved_ = true;
  }

 private:
  Guest& guest_;
  const std::string name_;
  bool moved_ = false;
};

bool has(const std::vector<Xattr>& xattrs, const Xattr& wanted) {
  return std::any_of(xattrs.begin(), xattrs.end(), [&](const Xattr& xattr) {
    return xattr.name == wanted.name && xattr.value == wanted.value;
  });
}

void set_xattrs(Guest& guest, const std::string& path, const std::vector<Xattr>& wanted) {
  const std::vector<Xattr> there = guest.xattrs(path);
  for (const Xattr& xattr : there) {
    const bool stays = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const Xattr& w) { return w.name == xattr.name; });
    if (!stays) guest.remove_xattr(path, xattr.name);
  }
  for (const Xattr& xattr : wanted) {
    if (!has(there, xattr)) guest.set_xattr(path, xattr);
  }
}

/// Owner first: changing it takes setuid bits and capabilities away.
void set_attributes(Guest& guest, const std::string& path, const EditedState& wanted) {
  const FileStat there = guest.stat(path);
  if (there.uid != wanted.uid || there.gid != wanted.gid) {
    guest.set_owner(path, wanted.uid, wanted.gid);
  }
  if (wanted.kind != EditKind::symlink && guest.stat(path).permissions != wanted.permissions) {
    guest.set_permissions(path, wanted.permissions);
  }
  set_xattrs(guest, path, wanted.xattrs);
}

bool holds(Guest& guest, const std::string& path, const FileStat& there,
           const std::string& content) {
  return there.bytes == content.size() && inspect::read_whole(guest, path, kLargestEdit) == content;
}

void remove_if_folder(Guest& guest, const std::string& path, const std::optional<FileStat>& there) {
  if (there && there->kind == FileKind::directory) guest.remove(path);
}

/// Access lists and capabilities are not strings: a reader may be unable to give them to another
/// file.
bool has_binary_xattr(const EditedState& wanted) {
  return std::any_of(wanted.xattrs.begin(), wanted.xattrs.end(), [](const Xattr& xattr) {
    return !xattr.value.empty() && xattr.value.find('\0') < xattr.value.size() - 1;
  });
}

/// Whether there is room is found out beside the file, which would be cut short otherwise.
void write_in_place(Guest& guest, const GuestEdit& edit, const std::string& content) {
  {
    const Temporary trial(guest, edit.path);
    guest.write_file(trial.name(), content);
  }
  guest.write_file(edit.path, content);
  set_attributes(guest, edit.path, edit.wanted);
}

void make_file(Guest& guest, const GuestEdit& edit, const std::optional<FileStat>& there) {
  const bool is_file = there && there->kind == FileKind::file;
  if (!edit.wanted.has_content) {
    if (!is_file) throw Error(ENOENT, "the guest has no such file any more");
    return set_attributes(guest, edit.path, edit.wanted);
  }
  const std::string content = edit.content();
  if (is_file && holds(guest, edit.path, *there, content)) {
    return set_attributes(guest, edit.path, edit.wanted);
  }
  if (is_file && (there->links > 1 || has_binary_xattr(edit.wanted))) {
    return write_in_place(guest, edit, content);
  }
  Temporary made(guest, edit.path);
  guest.write_file(made.name(), content);
  set_attributes(guest, made.name(), edit.wanted);
  remove_if_folder(guest, edit.path, there);
  made.move_to(edit.path);
}

void make_folder(Guest& guest, const GuestEdit& edit, const std::optional<FileStat>& there) {
  if (there && there->kind != FileKind::directory) guest.remove(edit.path);
  if (!there || there->kind != FileKind::directory) {
    guest.make_directory(edit.path, edit.wanted.permissions);
  }
  set_attributes(guest, edit.path, edit.wanted);
}

void make_link(Guest& guest, const GuestEdit& edit, const std::optional<FileStat>& there) {
  if (there && there->kind == FileKind::symlink &&
      guest.readlink(edit.path) == edit.wanted.target) {
    return set_attributes(guest, edit.path, edit.wanted);
  }
  Temporary made(guest, edit.path);
  guest.make_symlink(edit.wanted.target, made.name());
  set_attributes(guest, made.name(), edit.wanted);
  remove_if_folder(guest, edit.path, there);
  made.move_to(edit.path);
}

/// A guest whose folder became a link since would have us write elsewhere.
void expect_real_folder(Guest& guest, const std::string& path) {
  const std::string folder = parent_of(path);
  if (guest.resolve(folder) != folder) {
    throw Error(ENOTDIR, "its folder is not there any more, or is a link now");
  }
}

void bring_about(Guest& guest, const GuestEdit& edit) {
  const std::optional<FileStat> there = find(guest, edit.path);
  if (edit.wanted.kind == EditKind::absent) {
    if (there) {
      expect_real_folder(guest, edit.path);
      guest.remove(edit.path);
    }
    return;
  }
  expect_real_folder(guest, edit.path);
  switch (edit.wanted.kind) {
    case EditKind::file:
      return make_file(guest, edit, there);
    case EditKind::directory:
      return make_folder(guest, edit, there);
    default:
      return make_link(guest, edit, there);
  }
}

/// Only an inode number or time that is another one tells: our own earlier try has changed both.
bool is_another(const GuestEdit& edit, const std::optional<FileStat>& there) {
  const ReplacedFile& then = edit.replaced;
  if (!then.there || then.inode == 0) return there.has_value() && !then.there;
  return !there || there->kind != then.kind || there->inode != then.inode ||
         there->modified_ns != then.modified_ns || there->bytes != then.bytes;
}

EditOutcome apply(Guest& guest, const GuestEdit& edit) {
  EditOutcome outcome{edit.path, std::nullopt, false};
  try {
    outcome.replaced_another = is_another(edit, find(guest, edit.path));
    bring_about(guest, edit);
  } catch (const Error& error) {
    outcome.failure = Error(error.error_number(), "{} was not changed in the guest: {}",
                            clean_text(edit.path), error.sentence());
  }
  return outcome;
}

/// What goes, from the leaves up; then what comes, from the root down.
bool comes_before(const GuestEdit& a, const GuestEdit& b) {
  const bool a_goes = a.wanted.kind == EditKind::absent;
  const bool b_goes = b.wanted.kind == EditKind::absent;
  if (a_goes != b_goes) return a_goes;
  const std::size_t a_depth = depth_of(a.path), b_depth = depth_of(b.path);
  if (a_depth != b_depth) return a_goes ? a_depth > b_depth : a_depth < b_depth;
  return a.path < b.path;
}

}  // namespace

std::vector<EditOutcome> apply_edits(inspect::Guest& guest, std::vector<GuestEdit> edits) {
  std::sort(edits.begin(), edits.end(), comes_before);
  std::vector<EditOutcome> outcomes;
  for (const GuestEdit& edit : edits) outcomes.push_back(apply(guest, edit));
  return outcomes;
}

}  // namespace v2vfs::convert
