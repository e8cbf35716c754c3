// SPDX-License-Identifier: MIT
#include "fs/edit_journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using convert::EditKind;

EditJournal::Change write(const std::string& path, std::string content, bool guest_has_it = false) {
  EditJournal::Change change;
  change.entry.path = path;
  change.entry.wanted.kind = EditKind::file;
  change.entry.wanted.permissions = 0640;
  change.entry.wanted.gid = 42;
  change.entry.wanted.xattrs = {{"security.selinux", std::string("etc_t\0", 6)}};
  change.entry.wanted.has_content = true;
  change.entry.replaced.there = guest_has_it;
  change.content = std::move(content);
  return change;
}

EditJournal::Change removal(const std::string& path, bool guest_has_it = false) {
  EditJournal::Change change;
  change.entry.path = path;
  change.entry.replaced.there = guest_has_it;
  return change;
}

class Journal : public ::testing::Test {
 protected:
  std::string content(EditJournal& journal, const std::string& path) {
    const auto entry = journal.find(path);
    return entry ? journal.content(*entry) : "(nothing)";
  }
  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      ++count;
    }
    return count;
  }
  int error_of(const std::function<void()>& act) {
    try {
      act();
      return 0;
    } catch (const Error& error) {
      return error.error_number();
    }
  }
  TemporaryFolder folder_;
};

TEST_F(Journal, what_was_saved_is_there_after_a_start) {
  EditJournal(folder_.path(), real_io()).save({write("/etc/fstab", "one\n", true)});
  EditJournal(folder_.path(), real_io()).save({write("/etc/\xff\n", std::string(1 << 20, 'x'))});
  EditJournal journal(folder_.path(), real_io());
  EXPECT_EQ(content(journal, "/etc/fstab"), "one\n");
  EXPECT_EQ(content(journal, "/etc/\xff\n").size(), 1u << 20);
  const JournalEntry entry = *journal.find("/etc/fstab");
  EXPECT_EQ(entry.wanted, write("/etc/fstab", "").entry.wanted);
  EXPECT_TRUE(entry.replaced.there);
  EXPECT_EQ(journal.children("/etc").size(), 2u);
  EXPECT_EQ(journal.children("/").size(), 0u);
}

TEST_F(Journal, a_path_has_one_state_and_old_contents_go) {
  EditJournal journal(folder_.path(), real_io());
  for (int i = 0; i < 5; ++i) journal.save({write("/etc/a", std::string(1000, 'a' + i))});
  EXPECT_EQ(content(journal, "/etc/a"), std::string(1000, 'e'));
  EXPECT_EQ(files(), 2u);
}

// SEMANTICS: "a file made and removed again leaves nothing"
TEST_F(Journal, a_file_made_and_removed_leaves_nothing) {
  EditJournal journal(folder_.path(), real_io());
  journal.save({write("/etc/.a.swp", "x")});
  journal.save({removal("/etc/.a.swp")});
  EXPECT_TRUE(journal.all().empty());
  EXPECT_EQ(files(), 1u);
  journal.save({removal("/etc/a", true)});
  EXPECT_EQ(journal.find("/etc/a")->wanted.kind, EditKind::absent);
  journal.save({write("/etc/a", "new")});  // what the guest has there is known already
  journal.save({removal("/etc/a")});
  EXPECT_EQ(journal.find("/etc/a")->wanted.kind, EditKind::absent);
}

TEST_F(Journal, a_rename_is_one_change_and_moves_the_content) {
  EditJournal journal(folder_.path(), real_io());
  journal.save({write("/etc/a.new", "text")});
  EditJournal::Change moved{*journal.find("/etc/a.new"), std::nullopt};
  moved.entry.path = "/etc/a";
  moved.entry.replaced.there = true;
  journal.save({moved, removal("/etc/a.new")});
  EXPECT_EQ(content(journal, "/etc/a"), "text");
  EXPECT_EQ(journal.all().size(), 1u);
  EXPECT_EQ(files(), 2u);
}

TEST_F(Journal, a_run_takes_what_waits_and_says_what_became_of_it) {
  EditJournal journal(folder_.path(), real_io());
  journal.save({write("/etc/a", "1"), write("/etc/b", "1")});
  auto taken = journal.take(7);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(journal.open_runs(), std::set<std::uint64_t>{7});
  journal.save({write("/etc/b", "2")});  // meanwhile
  EXPECT_EQ(taken[1].content(), "1");
  EXPECT_EQ(error_of([&] { journal.discard(); }), EBUSY);
  journal.applied_by(7);
  EXPECT_EQ(journal.applied(), (std::vector<std::string>{"/etc/a"}));
  EXPECT_FALSE(journal.find("/etc/a"));
  EXPECT_EQ(content(journal, "/etc/b"), "2");
  EXPECT_TRUE(journal.find("/etc/b")->replaced.there) << "the run made it";
  EXPECT_EQ(files(), 2u);
}

TEST_F(Journal, what_a_run_took_and_made_is_removed_if_somebody_removed_it_meanwhile) {
  EditJournal journal(folder_.path(), real_io());
  journal.save({write("/etc/new", "1")});
  journal.take(1);
  journal.save({removal("/etc/new")});
  EXPECT_TRUE(journal.find("/etc/new"));
  journal.applied_by(1);
  ASSERT_TRUE(journal.find("/etc/new"));
  EXPECT_EQ(journal.take(2).size(), 1u);
  journal.release(2);

  journal.save({write("/etc/other", "1")});
  journal.take(3);
  journal.save({removal("/etc/other")});
  journal.release(3);
  EXPECT_FALSE(journal.find("/etc/other")) << "the run did not make it";
}

TEST_F(Journal, after_a_crash_what_a_run_had_waits_again) {
  {
    EditJournal journal(folder_.path(), real_io());
    journal.save({write("/etc/a", "1")});
    journal.take(9);
  }
  EditJournal journal(folder_.path(), real_io());
  EXPECT_EQ(journal.open_runs(), std::set<std::uint64_t>{9});
  journal.release(9);
  EXPECT_EQ(journal.take(10).size(), 1u);
}

// SEMANTICS: "Files of up to 16 MiB are edited (EFBIG)"
TEST_F(Journal, it_is_bounded) {
  EditJournal journal(folder_.path(), real_io(), {3, 1000, 100});
  const auto save = [&](EditJournal::Change change) {
    return error_of([&] { journal.save({std::move(change)}); });
  };
  EXPECT_EQ(save(write("/etc/a", std::string((16 << 20) + 1, 'x'))), EFBIG);
  EXPECT_EQ(save(write("/etc/a", std::string(600, 'x'))), 0);
  EXPECT_EQ(save(write("/etc/b", std::string(600, 'x'))), ENOSPC);
  EXPECT_EQ(save(write("/etc/b", "x")), 0);
  EditJournal::Change many = write("/etc/c", "x");
  many.entry.wanted.xattrs = {{"user.a", std::string(100, 'x')}};
  EXPECT_EQ(save(many), ENOSPC);
  EXPECT_EQ(save(write("/etc/c", "x")), 0);
  EXPECT_EQ(save(write("/etc/d", "x")), ENOSPC);
  EXPECT_EQ(journal.all().size(), 3u);
  EXPECT_EQ(files(), 4u);
  EXPECT_EQ(content(journal, "/etc/a").size(), 600u);
}

TEST_F(Journal, discard_forgets_all) {
  EditJournal journal(folder_.path(), real_io());
  journal.save({write("/etc/a", "1"), removal("/etc/b", true)});
  journal.discard();
  EXPECT_TRUE(EditJournal(folder_.path(), real_io()).all().empty());
  EXPECT_EQ(files(), 1u);
}

TEST_F(Journal, damage_is_seen_and_discard_helps) {
  EditJournal(folder_.path(), real_io()).save({write("/etc/a", "1")});
  std::string index;
  std::getline(std::ifstream(folder_.path() + "/index"), index, '\0');
  for (const std::string& damaged : {std::string(), std::string("x"), index + "0"}) {
    std::ofstream(folder_.path() + "/index") << damaged;
    EditJournal journal(folder_.path(), real_io());
    ASSERT_TRUE(journal.damage());
    EXPECT_EQ(error_of([&] { journal.save({write("/etc/a", "1")}); }), EIO);
    EXPECT_EQ(error_of([&] { journal.take(1); }), EIO);
    journal.discard();
    journal.save({write("/etc/a", "2")});
    EXPECT_EQ(content(journal, "/etc/a"), "2");
  }
}

}  // namespace
}  // namespace v2vfs::fs
