// SPDX-License-Identifier: MIT
#include "convert/guest/apply_edits.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/folder_guest.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::convert {
namespace {

using fs::TemporaryFolder;
using test::FolderGuest;

GuestEdit file(const std::string& path, const std::string& content, std::uint32_t mode = 0644) {
  GuestEdit edit;
  edit.path = path;
  edit.wanted.kind = EditKind::file;
  edit.wanted.permissions = mode;
  edit.wanted.uid = ::getuid();
  edit.wanted.gid = ::getgid();
  edit.wanted.has_content = true;
  edit.content = [content] { return content; };
  return edit;
}

GuestEdit other(EditKind kind, const std::string& path, const std::string& target = "") {
  GuestEdit edit = file(path, "");
  edit.wanted.kind = kind;
  edit.wanted.permissions = 0755;
  edit.wanted.has_content = false;
  edit.wanted.target = target;
  return edit;
}

/// A guest that fails at its Nth change, as if the appliance died or had no room.
class FailingGuest : public FolderGuest {
 public:
  using FolderGuest::FolderGuest;
  int calls_left = -1;
  int error = EIO;

  void write_file(const std::string& path, std::string_view content) override {
    // A full filesystem leaves half a file behind.
    if (calls_left == 0) FolderGuest::write_file(path, content.substr(0, content.size() / 2));
    count();
    FolderGuest::write_file(path, content);
  }
  void rename(const std::string& from, const std::string& to) override {
    count();
    FolderGuest::rename(from, to);
  }
  void remove(const std::string& path) override {
    count();
    FolderGuest::remove(path);
  }
  void make_directory(const std::string& path, std::uint32_t permissions) override {
    count();
    FolderGuest::make_directory(path, permissions);
  }
  void make_symlink(const std::string& target, const std::string& path) override {
    count();
    FolderGuest::make_symlink(target, path);
  }
  void set_permissions(const std::string& path, std::uint32_t permissions) override {
    count();
    FolderGuest::set_permissions(path, permissions);
  }
  void set_xattr(const std::string& path, const inspect::Xattr& xattr) override {
    count();
    FolderGuest::set_xattr(path, xattr);
  }

 private:
  /// Once it has failed it is dead, or has no room for this once.
  void count() {
    if (calls_left == 0) {
      if (error == ENOSPC) calls_left = -1;
      throw Error(error, "the test says so");
    }
    if (calls_left > 0) --calls_left;
  }
};

class ApplyEdits : public ::testing::Test {
 protected:
  ApplyEdits() : guest_(folder_.path()) {
    std::filesystem::create_directories(folder_.path() + "/etc/sub");
    put("/etc/old", "old\n");
    ::chmod(host("/etc/old").c_str(), 0640);
    guest_.mount({"/dev/sda1", "/", "", true});
  }
  std::string host(const std::string& path) const { return folder_.path() + path; }
  void put(const std::string& path, const std::string& text) { std::ofstream(host(path)) << text; }
  std::string get(const std::string& path) const {
    std::stringstream text;
    text << std::ifstream(host(path)).rdbuf();
    return text.str();
  }
  mode_t mode(const std::string& path) const {
    struct stat st {};
    return ::lstat(host(path).c_str(), &st) == 0 ? st.st_mode : 0;
  }
  std::string listing() const {
    std::string text;
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      paths.push_back(entry.path().string().substr(folder_.path().size()));
    }
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      text += path + " " + std::to_string(mode(path));
      if (S_ISREG(mode(path))) text += " " + get(path);
      if (S_ISLNK(mode(path))) text += std::filesystem::read_symlink(host(path)).string();
      text += "\n";
    }
    return text;
  }
  void expect_all_applied(const std::vector<GuestEdit>& edits) {
    for (const EditOutcome& outcome : apply_edits(guest_, edits)) {
      EXPECT_FALSE(outcome.failure) << outcome.failure->sentence();
    }
  }

  TemporaryFolder folder_;
  FailingGuest guest_;
};

std::vector<GuestEdit> all_kinds() {
  return {file("/etc/old", "new\n", 0600),
          file("/etc/made", "made\n", 0755),
          other(EditKind::directory, "/etc/dir"),
          file("/etc/dir/inner", std::string(10'000, 'x')),
          other(EditKind::symlink, "/etc/link", "/etc/../../../shadow"),
          other(EditKind::absent, "/etc/sub"),
          other(EditKind::absent, "/etc/nothing")};
}

TEST_F(ApplyEdits, brings_every_kind_about_and_twice_is_once) {
  expect_all_applied(all_kinds());
  EXPECT_EQ(get("/etc/old"), "new\n");
  EXPECT_EQ(mode("/etc/old") & 07777, 0600u);
  EXPECT_EQ(mode("/etc/made") & 07777, 0755u);
  EXPECT_TRUE(S_ISDIR(mode("/etc/dir")));
  EXPECT_EQ(get("/etc/dir/inner").size(), 10'000u);
  EXPECT_EQ(std::filesystem::read_symlink(host("/etc/link")), "/etc/../../../shadow");
  EXPECT_EQ(mode("/etc/sub"), 0u);
  const std::string once = listing();
  expect_all_applied(all_kinds());
  EXPECT_EQ(listing(), once);
}

TEST_F(ApplyEdits, cut_off_anywhere_and_repeated_it_comes_to_the_same) {
  std::string whole;
  {
    TemporaryFolder fresh;
    std::filesystem::copy(folder_.path(), fresh.path(), std::filesystem::copy_options::recursive);
    expect_all_applied(all_kinds());
    whole = listing();
    std::filesystem::remove_all(folder_.path());
    std::filesystem::copy(fresh.path(), folder_.path(), std::filesystem::copy_options::recursive);
  }
  const TemporaryFolder before;
  std::filesystem::copy(folder_.path(), before.path(), std::filesystem::copy_options::recursive);
  for (int calls = 0; calls < 25; ++calls) {
    std::filesystem::remove_all(folder_.path());
    std::filesystem::copy(before.path(), folder_.path(), std::filesystem::copy_options::recursive);
    guest_.calls_left = calls;
    apply_edits(guest_, all_kinds());
    guest_.calls_left = -1;
    const std::string old = get("/etc/old");
    EXPECT_TRUE(old == "old\n" || old == "new\n") << "after " << calls << ": " << old;
    expect_all_applied(all_kinds());
    EXPECT_EQ(listing(), whole) << "after " << calls;
  }
}

TEST_F(ApplyEdits, a_file_with_several_names_keeps_its_inode) {
  std::filesystem::create_hard_link(host("/etc/old"), host("/etc/name"));
  const auto inode = guest_.stat("/etc/old").inode;
  expect_all_applied({file("/etc/old", "new\n", 0600)});
  EXPECT_EQ(guest_.stat("/etc/old").inode, inode);
  EXPECT_EQ(get("/etc/name"), "new\n");
}

TEST_F(ApplyEdits, other_files_are_replaced_whole) {
  const auto inode = guest_.stat("/etc/old").inode;
  expect_all_applied({file("/etc/old", "new\n", 0600)});
  EXPECT_NE(guest_.stat("/etc/old").inode, inode);
}

TEST_F(ApplyEdits, attributes_alone_leave_the_content) {
  GuestEdit edit = other(EditKind::file, "/etc/old");
  edit.wanted.permissions = 0755;
  edit.wanted.xattrs = {{"user.a", "1"}};
  const auto inode = guest_.stat("/etc/old").inode;
  expect_all_applied({edit});
  EXPECT_EQ(get("/etc/old"), "old\n");
  EXPECT_EQ(mode("/etc/old") & 07777, 0755u);
  EXPECT_EQ(guest_.stat("/etc/old").inode, inode);
  EXPECT_EQ(guest_.xattrs("/etc/old").size(), 1u);
  edit.wanted.xattrs.clear();
  expect_all_applied({edit});
  EXPECT_EQ(guest_.xattrs("/etc/old").size(), 0u);
}

TEST_F(ApplyEdits, no_room_is_said_and_nothing_changes) {
  guest_.error = ENOSPC;
  std::filesystem::create_hard_link(host("/etc/old"), host("/etc/name"));
  const std::string before = listing();
  guest_.calls_left = 0;
  const auto outcomes = apply_edits(guest_, {file("/etc/old", "new content\n")});
  guest_.calls_left = -1;
  ASSERT_TRUE(outcomes[0].failure);
  EXPECT_EQ(outcomes[0].failure->error_number(), ENOSPC);
  EXPECT_EQ(get("/etc/old"), "old\n");
  expect_all_applied({other(EditKind::absent, "/etc/nothing"), file("/etc/old", "old\n", 0640)});
  EXPECT_EQ(listing(), before);
}

TEST_F(ApplyEdits, kinds_that_changed_are_replaced) {
  expect_all_applied({other(EditKind::directory, "/etc/old")});
  EXPECT_TRUE(S_ISDIR(mode("/etc/old")));
  expect_all_applied({file("/etc/old", "file again\n")});
  EXPECT_EQ(get("/etc/old"), "file again\n");
  put("/etc/sub/file", "x");
  const auto outcomes = apply_edits(guest_, {other(EditKind::absent, "/etc/sub")});
  ASSERT_TRUE(outcomes[0].failure);
  EXPECT_EQ(outcomes[0].failure->error_number(), ENOTEMPTY);
}

TEST_F(ApplyEdits, a_guest_that_is_read_only_refuses_each) {
  guest_.unmount_all();
  guest_.mount({"/dev/sda1", "/", "", false});
  const auto outcomes = apply_edits(guest_, {file("/etc/a", "a"), file("/etc/old", "b")});
  ASSERT_EQ(outcomes.size(), 2u);
  for (const EditOutcome& outcome : outcomes) {
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(outcome.failure->error_number(), EROFS);
  }
}

TEST_F(ApplyEdits, a_folder_that_became_a_link_is_not_followed) {
  std::filesystem::create_directories(host("/usr/bin"));
  std::filesystem::remove(host("/etc/sub"));
  std::filesystem::create_symlink("../usr/bin", host("/etc/sub"));
  const auto outcomes = apply_edits(guest_, {file("/etc/sub/evil", "x")});
  ASSERT_TRUE(outcomes[0].failure);
  EXPECT_EQ(outcomes[0].failure->error_number(), ENOTDIR);
  EXPECT_EQ(mode("/usr/bin/evil"), 0u);
}

TEST_F(ApplyEdits, a_link_in_the_files_place_is_replaced_and_not_followed) {
  std::filesystem::create_symlink("old", host("/etc/link"));
  expect_all_applied({file("/etc/link", "mine\n")});
  EXPECT_EQ(get("/etc/old"), "old\n");
  EXPECT_TRUE(S_ISREG(mode("/etc/link")));
}

// SEMANTICS: "Where the guest has another file by then than the one that was edited, the edit wins"
TEST_F(ApplyEdits, another_file_than_the_edit_was_made_of_is_said) {
  GuestEdit edit = file("/etc/old", "new\n");
  const inspect::FileStat stat = guest_.stat("/etc/old");
  edit.replaced = {true, stat.kind, stat.inode, stat.bytes, stat.modified_ns};
  put("/etc/old", "changed by the guest\n");
  EXPECT_TRUE(apply_edits(guest_, {edit})[0].replaced_another);
  EXPECT_EQ(get("/etc/old"), "new\n");
}

}  // namespace
}  // namespace v2vfs::convert
