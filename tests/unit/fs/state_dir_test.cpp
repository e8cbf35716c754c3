// SPDX-License-Identifier: MIT
#include "fs/state_dir.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "fs/durable_file.h"
#include "fs/options.h"
#include "fs/private_folder.h"
#include "inspect/base/error.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

StateRecord record(const std::string& machine, const std::string& identity,
                   const std::string& source = "/srv/vapp.ova") {
  return {identity, machine, "id-" + machine, source, {{machine + ".vmdk", 1000}}};
}

class StateDirTest : public ::testing::Test {
 protected:
  /// Opens a state, keeps something in it, and returns its id.
  std::string keep(const StateRecord& r) {
    StateDir dir(root(), "/mnt", {r.machine});
    const VmState state = dir.open(r);
    write_durably(state.folder().to_write_in(), "domain.xml", "<domain/>");
    return state.id();
  }
  std::string root() const { return folder_.path() + "/states"; }
  const std::string identity_ = std::string(64, 'a');
  const std::string other_ = std::string(64, 'b');
  TemporaryFolder folder_;
};

// SEMANTICS: "A VM that nothing was kept of has no folder"
TEST_F(StateDirTest, a_state_without_content_leaves_nothing_behind) {
  { StateDir(root(), "/mnt", {"web"}).open(record("web", identity_)); }
  EXPECT_TRUE(std::filesystem::is_empty(root()));
}

TEST_F(StateDirTest, a_folder_is_made_when_something_is_kept) {
  StateDir dir(root(), "/mnt", {"web"});
  std::optional<VmState> state = dir.open(record("web", identity_));
  EXPECT_FALSE(std::filesystem::exists(state->folder().path()));
  state->folder().to_write_in();
  EXPECT_EQ(list_states(root()).at(0).record, record("web", identity_));
  const std::string folder = state->folder().path();
  state.reset();
  EXPECT_FALSE(std::filesystem::exists(folder));  // only a record: nothing was kept after all
}

// SEMANTICS: "has no folder, and is held all the same"
TEST_F(StateDirTest, a_state_of_which_nothing_is_kept_is_held_all_the_same) {
  StateDir dir(root(), "/", {"web"});
  const VmState state = dir.open(record("web", identity_));
  const auto other = StateLocks::open(root(), "/elsewhere");
  EXPECT_FALSE(other->try_lock(state.id()));
  EXPECT_TRUE(other->try_lock("another"));
  EXPECT_EQ(other->holder_of(state.id()), "/");
  EXPECT_EQ(StateLocks::holder_in(root(), state.id()), "/");
  EXPECT_FALSE(StateLocks::holder_in(root(), "another"));
}

TEST_F(StateDirTest, what_one_state_gives_back_another_daemon_gets_while_the_rest_stays_held) {
  StateDir dir(root(), "/mnt", {"a", "b"});
  std::optional<VmState> a = dir.open(record("a", identity_));
  const VmState b = dir.open(record("b", other_));
  const auto next = StateLocks::open(root(), "/next");
  const std::string id = a->id();
  a.reset();
  EXPECT_TRUE(next->try_lock(id));
  EXPECT_FALSE(next->try_lock(b.id()));
}

// SEMANTICS: "Who holds what is in the file `locks`, which goes with the last mount"
TEST_F(StateDirTest, the_file_of_locks_goes_with_the_last_who_has_it) {
  std::filesystem::create_directory(root());
  auto first = StateLocks::open(root(), "/a"), second = StateLocks::open(root(), "/b");
  first.reset();
  EXPECT_EQ(names_in(root()).size(), 1u);
  second.reset();
  EXPECT_TRUE(names_in(root()).empty());
}

TEST_F(StateDirTest, io_of_a_state_makes_its_folder_for_the_first_thing_in_it) {
  StateDir dir(root(), "/mnt", {"web"});
  const VmState state = dir.open(record("web", identity_));
  const std::string& folder = state.folder().path();
  const std::unique_ptr<Io> io = io_of_state(real_io(), state.folder());
  EXPECT_FALSE(io->open(folder + "/disk-1/head"));
  io->remove_folder(folder + "/staging");
  io->sync_folder(folder);  // of which there is nothing
  EXPECT_FALSE(std::filesystem::exists(folder));
  io->make_folder(folder + "/disk-1");
  EXPECT_EQ(list_states(root()).at(0).record, record("web", identity_));
  EXPECT_TRUE(io->create(folder + "/disk-1/head"));
  EXPECT_TRUE(io->open(folder + "/disk-1/head"));
}

// SEMANTICS: "found by what the machine is, not by its path"
TEST_F(StateDirTest, found_by_identity_wherever_the_source_went) {
  const std::string id = keep(record("web", identity_));
  StateDir dir(root(), "/mnt", {"web"});
  const VmState state = dir.open(record("web", identity_, "/elsewhere/moved.ova"));
  EXPECT_EQ(state.id(), id);
  EXPECT_TRUE(state.stale.empty());
}

TEST_F(StateDirTest, a_renamed_machine_keeps_its_state) {
  const std::string id = keep(record("web", identity_));
  StateDir dir(root(), "/mnt", {"shop"});
  EXPECT_EQ(dir.open(record("shop", identity_)).id(), id);
}

TEST_F(StateDirTest, a_changed_source_is_stale_until_started_over) {
  const std::string id = keep(record("web", identity_));
  StateRecord changed = record("web", other_);
  changed.files[0].bytes = 1200;
  StateDir dir(root(), "/mnt", {"web"});
  VmState state = dir.open(changed);
  EXPECT_EQ(state.id(), id);
  EXPECT_NE(state.stale.find("web.vmdk had 1000 bytes then, has 1200 now"), std::string::npos);
  state.start_over(changed);
  EXPECT_TRUE(state.stale.empty());
  EXPECT_FALSE(state.has_content());
}

// SEMANTICS: "A daemon whose mount is gone is waited for"
TEST_F(StateDirTest, a_state_taken_over_from_a_daemon_that_left_nothing_is_made_anew) {
  std::optional<StateDir> leaving(std::in_place, root(), "/mnt", std::set<std::string>{"web"});
  std::optional<VmState> held = leaving->open(record("web", identity_));
  const std::string id = held->id();
  std::thread next([&] { EXPECT_EQ(keep(record("web", identity_)), id); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it waits for the lock by now
  held.reset();
  next.join();
  StateDir dir(root(), "/mnt", {"web"});
  EXPECT_EQ(dir.open(record("web", identity_)).stale, "");
}

TEST_F(StateDirTest, a_state_that_cannot_be_listed_is_not_taken_for_empty) {
  StateDir dir(root(), "/mnt", {"web"});
  std::optional<VmState> state = dir.open(record("web", identity_));
  const std::string folder = state->folder().to_write_in();
  write_durably(folder, "domain.xml", "<domain/>");
  const std::string aside = root() + "/aside";
  std::filesystem::rename(folder, aside);
  write_durably(root(), state->id(), "no folder: listing it fails");
  const bool has_content = state->has_content();
  remove_durably(root(), state->id());
  std::filesystem::rename(aside, folder);
  EXPECT_TRUE(has_content);
}

TEST_F(StateDirTest, a_record_that_cannot_be_read_is_no_other_source) {
  const std::string id = keep(record("web", identity_));
  write_durably(root() + "/" + id, "state.json", "{");
  StateDir dir(root(), "/mnt", {"web"});
  EXPECT_THROW(dir.open(record("web", identity_)), Error);
}

TEST_F(StateDirTest, a_changed_source_is_noticed_under_an_odd_path_too) {
  keep(record("web", identity_, "/srv/a\x1b\nb.ova"));
  StateDir dir(root(), "/mnt", {"web"});
  EXPECT_NE(dir.open(record("web", other_, "/srv/a\x1b\nb.ova")).stale, "");
}

TEST_F(StateDirTest, two_machines_that_are_the_same_have_a_state_each) {
  const std::string a = keep(record("a", identity_));
  StateDir dir(root(), "/mnt", {"a", "b"});
  const VmState b = dir.open(record("b", identity_));
  const VmState again = dir.open(record("a", identity_));
  EXPECT_NE(b.id(), a);
  EXPECT_EQ(again.id(), a);
}

// SEMANTICS: "`v2vfs --remove-state ID` (refused while held)"
TEST_F(StateDirTest, a_state_in_use_is_listed_and_not_removed) {
  const std::string id = keep(record("web", identity_));
  StateDir dir(root(), "/mnt", {"web"});
  {
    const VmState state = dir.open(record("web", identity_));
    const std::vector<StateSummary> all = list_states(root());
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].id, id);
    EXPECT_EQ(all[0].held_by.value_or("nobody"), "/mnt");
    EXPECT_THROW(remove_state(root(), id), StartError);
  }
  EXPECT_FALSE(list_states(root())[0].held_by);
  remove_state(root(), id);
  EXPECT_TRUE(list_states(root()).empty());
}

TEST_F(StateDirTest, listing_changes_nothing) {
  const std::string id = keep(record("web", identity_));
  EXPECT_FALSE(list_states(root())[0].held_by);
  EXPECT_EQ(names_in(root()), std::vector{id});
}

TEST_F(StateDirTest, refuses_a_folder_that_others_can_write_to) {
  std::filesystem::create_directory(root());
  std::filesystem::permissions(root(), std::filesystem::perms::all);
  EXPECT_THROW(StateDir(root(), "/mnt", {}), StartError);
}

TEST_F(StateDirTest, refuses_a_link) {
  std::filesystem::create_directory_symlink(folder_.path(), root());
  EXPECT_THROW(StateDir(root(), "/mnt", {}), StartError);
}

TEST_F(StateDirTest, remove_takes_an_id_and_no_path) {
  EXPECT_THROW(remove_state(root(), "../x"), StartError);
  EXPECT_THROW(remove_state(root(), ""), StartError);
}

TEST_F(StateDirTest, ephemeral_goes_and_takes_what_a_killed_one_left) {
  std::filesystem::create_directories(root() + "/ephemeral-dead00");
  std::ofstream(root() + "/ephemeral-dead00/lock");
  std::filesystem::permissions(root(), std::filesystem::perms::owner_all);
  {
    const PrivateFolder ephemeral(root(), "ephemeral-");
    EXPECT_FALSE(std::filesystem::exists(root() + "/ephemeral-dead00"));
    EXPECT_TRUE(std::filesystem::exists(ephemeral.path()));
    const PrivateFolder other(root(), "ephemeral-");
    EXPECT_TRUE(std::filesystem::exists(ephemeral.path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(root()));
}

}  // namespace
}  // namespace v2vfs::fs
