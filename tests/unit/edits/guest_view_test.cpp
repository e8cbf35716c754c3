// SPDX-License-Identifier: MIT
#include "fs/guest_view.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "convert/guest/apply_edits.h"
#include "fs/guest_cache.h"
#include "tests/support/folder_guest.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using inspect::FileKind;
using test::FolderGuest;

constexpr std::uint32_t kMounter = 1234;

class View : public ::testing::Test {
 protected:
  View() : guest_(root_.path()) {
    std::filesystem::create_directories(host("/etc/ssh"));
    std::filesystem::create_directories(host("/usr/bin"));
    put("/etc/fstab", "old\n");
    ::chmod(host("/etc/fstab").c_str(), 0640);
    chown("/etc/fstab", 0, 42);
    ::setxattr(host("/etc/fstab").c_str(), "user.note", "mine", 4, 0);
    guest_.mount({"/dev/sda1", "/", "", false});
    start();
  }
  /// A new daemon: what was saved is all that is left.
  void start(GuestViewOptions options = {true, kMounter, kMounter, false}) {
    view_.reset();
    journal_.emplace(state_.path(), real_io());
    cache_.emplace([this](const GuestCache::Question& ask) {
      ++questions_;
      ask(guest_);
    });
    view_.emplace(*cache_, *journal_, options);
  }
  std::string host(const std::string& path) const { return root_.path() + path; }
  void put(const std::string& path, const std::string& text) { std::ofstream(host(path)) << text; }
  void chown(const std::string& path, uid_t uid, gid_t gid) {
    if (::chown(host(path).c_str(), uid, gid) != 0) GTEST_SKIP() << "needs root for chown";
  }
  std::string text(const std::string& path) { return view_->read(path, 0, 1 << 20); }
  inspect::FileStat stat(const std::string& path) { return view_->find(path).value().stat; }
  std::string names(const std::string& path) {
    std::string all;
    for (const auto& entry : view_->list(path)) all += entry.name + " ";
    return all;
  }
  int error_of(const std::function<void()>& act) {
    try {
      act();
      return 0;
    } catch (const Error& error) {
      return error.error_number();
    }
  }
  std::string xattr(const std::string& path, const std::string& name) {
    for (const auto& xattr : view_->xattrs(path)) {
      if (xattr.name == name) return xattr.value;
    }
    return "(none)";
  }
  /// As close(2) after writing.
  void write(const std::string& path, const std::string& text, bool append = false) {
    const auto open = view_->open_for_writing(path, !append);
    append ? open->append(text) : open->write(0, text);
    open->save();
  }
  void create(const std::string& path, const std::string& text, std::uint32_t mode = 0644) {
    view_->create(path, mode);
    write(path, text);
  }
  /// Into the folder, as a run of the appliance does; then a new daemon.
  void apply() {
    FolderGuest writable(root_.path());
    writable.mount({"/dev/sda1", "/", "", true});
    for (const auto& outcome : convert::apply_edits(writable, journal_->take(1))) {
      EXPECT_FALSE(outcome.failure) << outcome.failure->sentence();
    }
    journal_->applied_by(1);
    start();
  }

  TemporaryFolder root_, state_;
  FolderGuest guest_;
  int questions_ = 0;
  std::optional<EditJournal> journal_;
  std::optional<GuestCache> cache_;
  std::optional<GuestView> view_;
};

// SEMANTICS: "with `-o guest-owner` owners are those of the guest"
TEST_F(View, shows_the_guest_as_it_is_and_asks_once) {
  EXPECT_EQ(names("/"), "etc usr ");
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  EXPECT_EQ(stat("/etc/fstab").gid, 42u);
  const int before = questions_;
  EXPECT_EQ(names("/etc"), "fstab ssh ");
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  EXPECT_FALSE(view_->find("/etc/nothing"));
  EXPECT_FALSE(view_->find("/etc/fstab/below"));
  EXPECT_FALSE(view_->find("/nowhere/at/all"));
  EXPECT_EQ(questions_, before);
}

TEST_F(View, ranges_of_big_files_are_read_without_the_whole) {
  put("/usr/big", "");
  std::filesystem::resize_file(host("/usr/big"), 1ULL << 40);
  start();
  EXPECT_EQ(view_->read("/usr/big", (1ULL << 40) - 3, 100), std::string(3, '\0'));
  EXPECT_EQ(view_->read("/usr/big", (5 << 20) - 10, 20).size(), 20u);
  EXPECT_EQ(view_->read("/usr/big", 1ULL << 40, 1), "");
}

// What the programs do, as seen by strace. Each row ends with fstab as "new\n" and nothing beside
// it; owner, mode and attributes must have survived, in the view, after a restart, and in the
// guest.
class Editors : public View, public ::testing::WithParamInterface<int> {
 public:
  void redirect() { write("/etc/fstab", "new\n"); }
  void tee_append() {
    write("/etc/fstab", "");
    write("/etc/fstab", "ne", true);
    write("/etc/fstab", "w\n", true);
  }
  /// open(O_RDWR), ftruncate, write, fsync, close
  void nano() {
    const auto open = view_->open_for_writing("/etc/fstab", false);
    EXPECT_EQ(open->read(0, 100), "old\n");
    open->resize(0);
    open->write(0, "new\n");
    open->save();
  }
  void vim_swap(bool rename_old) {
    create("/etc/.fstab.swp", "b0VIM", 0600);
    const auto swap = view_->open_for_writing("/etc/.fstab.swp", false);
    create("/etc/4913", "", 0640);
    view_->set_owner("/etc/4913", 0, 42);
    view_->remove_file("/etc/4913");
    if (rename_old) {
      view_->rename("/etc/fstab", "/etc/fstab~", true);
      EXPECT_EQ(text("/etc/fstab~"), "old\n");
      create("/etc/fstab", "new\n", 0640);
      view_->set_permissions("/etc/fstab", 0640);
    } else {
      create("/etc/fstab~", "old\n", 0640);
      nano();
    }
    view_->remove_file("/etc/fstab~");
    swap->write(0, "more");
    view_->remove_file("/etc/.fstab.swp");
    swap->save();
  }
  void sed() {
    create("/etc/sedAbCdEf", "new\n", 0600);
    view_->set_permissions("/etc/sedAbCdEf", stat("/etc/fstab").permissions);
    view_->set_owner("/etc/sedAbCdEf", std::nullopt, 42);
    view_->rename("/etc/sedAbCdEf", "/etc/fstab", true);
  }
  void mv() {
    create("/etc/fstab.new", "new\n", 0666);
    view_->rename("/etc/fstab.new", "/etc/fstab", true);
  }
  void mktemp_mv_while_open() {
    view_->create("/etc/tmp.1", 0600);
    const auto open = view_->open_for_writing("/etc/tmp.1", false);
    open->write(0, "ne");
    view_->rename("/etc/tmp.1", "/etc/fstab", true);
    open->write(2, "w\n");
    open->save();
  }
  void patch_with_backup() {
    create("/etc/fstab.oAbCdE", "new\n", 0600);
    view_->rename("/etc/fstab", "/etc/fstab.orig", true);
    view_->rename("/etc/fstab.oAbCdE", "/etc/fstab", true);
    view_->remove_file("/etc/fstab.orig");
  }
  void remove_and_copy() {
    view_->remove_file("/etc/fstab");
    EXPECT_FALSE(view_->find("/etc/fstab"));
    create("/etc/fstab", "new\n", 0644);
  }
  void truncate_by_path() {
    view_->resize("/etc/fstab", 0);
    write("/etc/fstab", "new\n", true);
  }

  void edit() {
    switch (GetParam()) {
      case 0:
        return redirect();
      case 1:
        return tee_append();
      case 2:
        return nano();
      case 3:
        return vim_swap(true);
      case 4:
        return vim_swap(false);
      case 5:
        return sed();
      case 6:
        return mv();
      case 7:
        return mktemp_mv_while_open();
      case 8:
        return patch_with_backup();
      case 9:
        return remove_and_copy();
      default:
        return truncate_by_path();
    }
  }
  void expect_edited(const char* when) {
    EXPECT_EQ(text("/etc/fstab"), "new\n") << when;
    EXPECT_EQ(stat("/etc/fstab").bytes, 4u) << when;
    EXPECT_EQ(stat("/etc/fstab").permissions, 0640u) << when;
    EXPECT_EQ(stat("/etc/fstab").uid, 0u) << when;
    EXPECT_EQ(stat("/etc/fstab").gid, 42u) << when;
    EXPECT_EQ(xattr("/etc/fstab", "user.note"), "mine") << when;
    EXPECT_EQ(names("/etc"), "fstab ssh ") << when;
  }
};

// SEMANTICS: "An edited file keeps its owner, mode, attributes and SELinux label"
TEST_P(Editors, keep_what_the_file_had_and_leave_nothing) {
  edit();
  expect_edited("in the view");
  start();
  expect_edited("after a restart");
  EXPECT_EQ(journal_->all().size(), 1u);
  apply();
  EXPECT_TRUE(journal_->all().empty());
  expect_edited("in the guest");
}

INSTANTIATE_TEST_SUITE_P(Programs, Editors, ::testing::Range(0, 11));

// SEMANTICS: "Any other new file is root's, with the mode asked for"
TEST_F(View, a_new_file_is_roots_with_the_mode_asked_for) {
  create("/etc/ssh/new.conf", "x", 0600);
  EXPECT_EQ(stat("/etc/ssh/new.conf").uid, 0u);
  EXPECT_EQ(stat("/etc/ssh/new.conf").permissions, 0600u);
  apply();
  EXPECT_EQ(stat("/etc/ssh/new.conf").permissions, 0600u);
  EXPECT_EQ(text("/etc/ssh/new.conf"), "x");
}

// SEMANTICS: "What was asked for on the new file (chmod, chown, a label) wins"
TEST_F(View, asked_for_permissions_win_over_the_replaced_ones) {
  create("/etc/n", "secret", 0644);
  view_->set_permissions("/etc/n", 0600);
  view_->rename("/etc/n", "/etc/fstab", true);
  EXPECT_EQ(stat("/etc/fstab").permissions, 0600u);
  EXPECT_EQ(stat("/etc/fstab").gid, 42u);
}

// SEMANTICS: "gets no permission that either of them lacks"
TEST_F(View, a_file_made_anew_is_open_to_nobody_more) {
  view_->remove_file("/etc/fstab");
  create("/etc/fstab", "x", 0604);
  EXPECT_EQ(stat("/etc/fstab").permissions, 0600u);
}

// SEMANTICS: "Larger files are read, and their attributes changed"
TEST_F(View, attributes_alone_do_not_copy_the_content) {
  put("/etc/big", "");
  std::filesystem::resize_file(host("/etc/big"), 100 << 20);
  start();
  view_->set_permissions("/etc/big", 0600);
  EXPECT_EQ(stat("/etc/big").bytes, 100u << 20);
  EXPECT_EQ(view_->read("/etc/big", 50 << 20, 1).size(), 1u);
  EXPECT_EQ(error_of([&] { view_->open_for_writing("/etc/big", false); }), EFBIG);
  EXPECT_EQ(error_of([&] { view_->rename("/etc/big", "/etc/b", true); }), EFBIG);
  write("/etc/big", "small");
  EXPECT_EQ(stat("/etc/big").bytes, 5u);
}

// SEMANTICS: "A new name has no control characters. All else is EACCES"
TEST_F(View, only_configuration_is_written) {
  EXPECT_EQ(error_of([&] { view_->create("/usr/bin/evil", 0755); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->rename("/etc/fstab", "/usr/bin/fstab", true); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->remove_directory("/usr/bin"); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->set_permissions("/usr/bin", 0777); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->create("/etc/a\033b", 0644); }), EACCES);
  start({true, 0, 0, true});
  EXPECT_EQ(error_of([&] { view_->create("/etc/a", 0644); }), EROFS);
  EXPECT_TRUE(journal_->all().empty());
}

// SEMANTICS: "Folders are made and removed, not renamed (EXDEV; mv copies)"
TEST_F(View, folders_and_links) {
  view_->make_directory("/etc/conf.d", 0755);
  create("/etc/conf.d/a", "a");
  view_->make_symlink("/etc/conf.d/link", "/etc/fstab");
  EXPECT_EQ(view_->find("/etc/conf.d/link")->target, "../../etc/fstab");
  EXPECT_EQ(names("/etc/conf.d"), "a link ");
  EXPECT_EQ(error_of([&] { view_->remove_directory("/etc/conf.d"); }), ENOTEMPTY);
  EXPECT_EQ(error_of([&] { view_->rename("/etc/conf.d", "/etc/x", true); }), EXDEV);
  EXPECT_EQ(error_of([&] { view_->create("/etc/nowhere/a", 0644); }), ENOENT);
  EXPECT_EQ(error_of([&] { view_->create("/etc/fstab/a", 0644); }), ENOTDIR);
  EXPECT_EQ(error_of([&] { view_->rename("/etc/conf.d/a", "/etc/fstab", false); }), EEXIST);
  apply();
  EXPECT_EQ(std::filesystem::read_symlink(host("/etc/conf.d/link")), "/etc/fstab");
  view_->remove_file("/etc/conf.d/link");
  view_->remove_file("/etc/conf.d/a");
  view_->remove_directory("/etc/conf.d");
  view_->remove_directory("/etc/ssh");
  apply();
  EXPECT_EQ(names("/etc"), "fstab ");
}

// SEMANTICS: "Everything belongs to who mounted"
TEST_F(View, without_guest_owner_everything_is_the_mounters) {
  start({false, kMounter, kMounter, false});
  EXPECT_EQ(stat("/etc/fstab").uid, kMounter);
  EXPECT_EQ(error_of([&] { view_->set_owner("/etc/fstab", 0, 0); }), EPERM);
  view_->set_owner("/etc/fstab", kMounter, kMounter);  // as editors do
  view_->rename("/etc/fstab", "/etc/fstab~", true);
  create("/etc/fstab", "x", 0640);
  view_->set_owner("/etc/fstab", kMounter, kMounter);
  view_->remove_file("/etc/fstab~");
  apply();
  EXPECT_EQ(stat("/etc/fstab").gid, 42u);
}

// SEMANTICS: "the label of the guest's file_contexts"
TEST_F(View, a_new_file_has_the_label_of_the_policy) {
  std::filesystem::create_directories(host("/etc/selinux/targeted/contexts/files"));
  put("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n");
  put("/etc/selinux/targeted/contexts/files/file_contexts",
      "/etc(/.*)? system_u:object_r:etc_t:s0\n/etc/shadow.* -- system_u:object_r:shadow_t:s0\n");
  start();
  create("/etc/new", "x");
  const std::string etc("system_u:object_r:etc_t:s0\0", 27);
  EXPECT_EQ(xattr("/etc/new", "security.selinux"), etc);
  create("/etc/tmp1", "x");
  view_->rename("/etc/tmp1", "/etc/shadow", true);
  EXPECT_EQ(xattr("/etc/shadow", "security.selinux"),
            std::string("system_u:object_r:shadow_t:s0\0", 30));
  view_->set_xattr("/etc/new", {"security.selinux", "other"}, GuestView::XattrRule::any);
  view_->rename("/etc/new", "/etc/shadow2", true);
  EXPECT_EQ(xattr("/etc/shadow2", "security.selinux"), "other");
}

// SEMANTICS: "Special files are shown without device numbers and cannot be opened"
TEST_F(View, hostile_guests) {
  std::filesystem::create_symlink("/etc/shadow", host("/etc/abs"));
  std::filesystem::create_symlink("../../../../etc/shadow", host("/etc/up"));
  std::filesystem::create_symlink("self", host("/etc/self"));
  std::filesystem::create_directory_symlink("..", host("/etc/loop"));
  std::filesystem::create_symlink(std::string(4000, 'x'), host("/etc/long"));
  put("/etc/a\nb", "x");
  put("/etc/\xff\xfe", "y");
  ::mkfifo(host("/etc/fifo").c_str(), 0600);
  const bool nodes = ::mknod(host("/etc/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0;
  start();
  EXPECT_EQ(view_->find("/etc/abs")->target, "../etc/shadow");
  EXPECT_EQ(view_->find("/etc/up")->target, "../etc/shadow");
  EXPECT_EQ(view_->find("/etc/self")->target, "self");
  EXPECT_EQ(view_->find("/etc/loop")->target, "..");
  EXPECT_FALSE(view_->find("/etc/loop/etc")) << "no link is followed by the view";
  EXPECT_FALSE(view_->find("/etc/../etc/fstab"));
  EXPECT_EQ(text("/etc/a\nb"), "x");
  EXPECT_EQ(text("/etc/\xff\xfe"), "y");
  EXPECT_EQ(stat("/etc/fifo").kind, FileKind::fifo);
  EXPECT_EQ(error_of([&] { text("/etc/fifo"); }), EINVAL);
  EXPECT_EQ(error_of([&] { text("/etc/abs"); }), EINVAL);
  EXPECT_EQ(error_of([&] { view_->open_for_writing("/etc/fifo", true); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->open_for_writing("/etc/abs", true); }), EACCES);
  EXPECT_EQ(error_of([&] { view_->set_permissions("/etc/fifo", 0); }), EACCES);
  if (nodes) {
    EXPECT_EQ(error_of([&] { text("/etc/zero"); }), EINVAL);
  }
}

// SEMANTICS: "Files of up to 16 MiB are edited (EFBIG)"
TEST_F(View, writers_share_a_file_and_are_bounded) {
  const auto one = view_->open_for_writing("/etc/fstab", false);
  const auto two = view_->open_for_writing("/etc/fstab", false);
  one->write(0, "OLD");
  EXPECT_EQ(two->read(0, 10), "OLD\n");
  EXPECT_EQ(stat("/etc/fstab").bytes, 4u);
  two->append("more\n");
  EXPECT_EQ(text("/etc/fstab"), "OLD\nmore\n");
  EXPECT_EQ(stat("/etc/fstab").bytes, 9u);
  EXPECT_EQ(error_of([&] { one->resize((16 << 20) + 1); }), EFBIG);
  EXPECT_EQ(error_of([&] { one->write(1ULL << 62, "x"); }), EFBIG);
  EXPECT_TRUE(journal_->all().empty()) << "nothing is durable before close";
  one->save();
  two->save();
  EXPECT_EQ(journal_->all().size(), 1u);
}

// What a conversion will make of the guest.

class PlannedView : public View {
 protected:
  PlannedView() {
    convert::ConversionPlan plan;
    plan.state = convert::PlanState::planned;
    using Kind = convert::StepKind;
    plan.steps = {{Kind::edit, "/etc/fstab", "", "old\n", "planned\n", "", 0644},
                  {Kind::create, "/etc/udev/rules.d/70.rules", "", "", "rule\n", "", 0600},
                  {Kind::link, "/etc/masked", "", "", "", "/dev/null", 0777},
                  {Kind::copy, "/usr/copy", "", "", "", "/etc/fstab", 0644},
                  {Kind::remove, "/etc/gone", "", "x", "", "", 0}};
    put("/etc/gone", "x");
    start();
    view_->show_plan(std::make_shared<const PlannedFiles>(plan));
  }
};

// SEMANTICS: "new ones and removed ones too (but for copies of the guest's own)"
TEST_F(PlannedView, shows_files_as_they_will_be) {
  EXPECT_EQ(text("/etc/fstab"), "planned\n");
  EXPECT_EQ(view_->open_for_reading("/etc/fstab")->read(0, 100), "planned\n");
  EXPECT_EQ(stat("/etc/fstab").bytes, 8u);
  EXPECT_EQ(stat("/etc/fstab").permissions, 0640u) << "its own";
  EXPECT_EQ(xattr("/etc/fstab", "user.note"), "mine");
  EXPECT_EQ(names("/etc"), "fstab masked ssh udev ");
  EXPECT_EQ(names("/etc/udev"), "rules.d ");
  EXPECT_EQ(text("/etc/udev/rules.d/70.rules"), "rule\n");
  EXPECT_EQ(stat("/etc/udev/rules.d/70.rules").permissions, 0600u);
  EXPECT_EQ(view_->find("/etc/masked")->stat.kind, FileKind::symlink);
  EXPECT_FALSE(view_->find("/etc/gone"));
  EXPECT_FALSE(view_->find("/usr/copy"));
  view_->show_plan(nullptr);
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  EXPECT_EQ(names("/etc"), "fstab gone ssh ");
}

// SEMANTICS: "and editing one begins with that text"
TEST_F(PlannedView, is_what_an_edit_begins_with_and_the_edit_wins) {
  write("/etc/fstab", "mine\n", true);
  EXPECT_EQ(text("/etc/fstab"), "planned\nmine\n");
  view_->show_plan(nullptr);
  EXPECT_EQ(text("/etc/fstab"), "planned\nmine\n");
  EXPECT_EQ(stat("/etc/fstab").permissions, 0640u);
  EXPECT_EQ(xattr("/etc/fstab", "user.note"), "mine");
}

TEST_F(PlannedView, keeps_its_text_when_only_a_mode_is_changed) {
  view_->set_permissions("/etc/fstab", 0600);
  EXPECT_EQ(text("/etc/fstab"), "planned\n");
  EXPECT_EQ(stat("/etc/fstab").permissions, 0600u);
}

TEST_F(PlannedView, folders_that_only_it_has_are_made_for_an_edit) {
  write("/etc/udev/rules.d/70.rules", "mine\n");
  create("/etc/udev/mine", "x");
  view_->show_plan(nullptr);
  EXPECT_EQ(text("/etc/udev/rules.d/70.rules"), "mine\n");
  EXPECT_EQ(names("/etc/udev"), "mine rules.d ");
  EXPECT_EQ(stat("/etc/udev").kind, FileKind::directory);
}

// SEMANTICS: "What is only planned cannot be removed (EACCES)"
TEST_F(PlannedView, what_is_not_there_yet_cannot_be_removed) {
  EXPECT_EQ(error_of([&] { view_->remove_file("/etc/masked"); }), EACCES);
  view_->remove_file("/etc/fstab");
  EXPECT_FALSE(view_->find("/etc/fstab"));
  EXPECT_EQ(error_of([&] { view_->remove_file("/etc/gone"); }), ENOENT);
}

}  // namespace
}  // namespace v2vfs::fs
