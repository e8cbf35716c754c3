// SPDX-License-Identifier: MIT
#include "convert/guest/plan_edits.h"

#include <cerrno>
#include <set>

#include "inspect/base/text.h"
#include "inspect/guest/file_contexts.h"

namespace v2vfs::convert {
namespace {

using inspect::FileContexts;
using inspect::FileKind;
using inspect::FileStat;
using inspect::Guest;

constexpr const char* kLabel = "security.selinux";
constexpr std::uint32_t kFolderMode = 0755;

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::optional<FileStat> find(Guest& guest, const std::string& path) {
  try {
    return guest.stat(path);
  } catch (const Error& error) {
    if (error.error_number() == ENOENT || error.error_number() == ENOTDIR) return std::nullopt;
    throw;
  }
}

/// Empty: there is none, or one too large to be what its name says.
std::string policy_text(Guest& guest, const std::string& path) {
  try {
    return inspect::read_whole(guest, path, FileContexts::kLargestFile).value_or("");
  } catch (const Error& error) {
    if (error.error_number() == EFBIG) return "";
    throw;
  }
}

class EditMaker {
 public:
  explicit EditMaker(Guest& guest)
      : guest_(guest), contexts_(inspect::read_file_contexts([&](const std::string& path) {
          return policy_text(guest, path);
        })) {}

  void add(const PlanStep& step) {
    GuestEdit edit;
    edit.path = step.path;
    const auto there = find(guest_, step.path);
    if (there) {
      edit.replaced = {true, there->kind, there->inode, there->bytes, there->modified_ns};
    }
    if (step.kind != StepKind::remove) make(step, there, edit);
    edits_.push_back(std::move(edit));
  }

  std::vector<GuestEdit> take() { return std::move(edits_); }

 private:
  void make(const PlanStep& step, const std::optional<FileStat>& there, GuestEdit& edit) {
    const bool link = step.kind == StepKind::link;
    const FileKind kind = link ? FileKind::symlink : FileKind::file;
    make_folders(parent_of(step.path));
    edit.wanted.kind = link ? EditKind::symlink : EditKind::file;
    edit.wanted.permissions = step.permissions;
    if (there && there->kind == kind) {
      edit.wanted.permissions = there->permissions;
      edit.wanted.uid = there->uid;
      edit.wanted.gid = there->gid;
      edit.wanted.xattrs = guest_.xattrs(step.path);
    } else {
      label(step.path, kind, edit.wanted);
    }
    if (link) {
      edit.wanted.target = step.target;
      return;
    }
    edit.wanted.has_content = true;
    edit.content = content_of(step);
  }

  std::function<std::string()> content_of(const PlanStep& step) {
    if (step.kind != StepKind::copy) return [text = step.after] { return text; };
    return [&guest = guest_, from = step.target] {
      const auto content = inspect::read_whole(guest, from, kLargestEdit);
      if (!content) throw Error(ENOENT, "{} is not there any more", clean_text(from));
      return *content;
    };
  }

  void make_folders(const std::string& path) {
    if (path.empty() || !folders_.insert(path).second || find(guest_, path)) return;
    make_folders(parent_of(path));
    GuestEdit edit;
    edit.path = path;
    edit.wanted.kind = EditKind::directory;
    edit.wanted.permissions = kFolderMode;
    label(path, FileKind::directory, edit.wanted);
    edits_.push_back(std::move(edit));
  }

  void label(const std::string& path, FileKind kind, EditedState& wanted) const {
    if (const auto context = contexts_.find(path, kind)) {
      wanted.xattrs.push_back({kLabel, *context + std::string(1, '\0')});
    }
  }

  Guest& guest_;
  const FileContexts contexts_;
  std::vector<GuestEdit> edits_;
  std::set<std::string> folders_;  // looked at
};

}  // namespace

std::vector<GuestEdit> edits_of_plan(Guest& guest, const ConversionPlan& plan) {
  EditMaker maker(guest);
  for (const PlanStep& step : plan.steps) maker.add(step);
  return maker.take();
}

}  // namespace v2vfs::convert
