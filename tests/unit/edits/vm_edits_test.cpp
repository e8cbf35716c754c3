// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "tests/unit/edits/vm_fixture.h"

// Edits of a VM with two disks, from being saved to being in both disks.

namespace v2vfs::fs {
namespace {

class VmEdits : public VmFixture {
 protected:
  VmEdits() {
    options_.convert = Convert::off;
    mount();
  }
};

// SEMANTICS: "Edits are in disk.qcow2 for whoever opens it for writing"
TEST_F(VmEdits, are_in_all_disks_before_content_is_read) {
  edit("/etc/hostname", "new\n");
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/hostname"});
  auto handle = open(1, O_RDONLY);
  EXPECT_EQ(runs_, 0) << "opening for reading starts nothing";
  EXPECT_EQ(read(*handle), '1');
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(in_guest("/etc/hostname"), "new\n");
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
  EXPECT_EQ(vm_->status().applied_edits, Paths{"/etc/hostname"});
  EXPECT_EQ(runs_, 1);
  handle.reset();
  mount();
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(runs_, 1);
}

TEST_F(VmEdits, are_applied_for_a_writer_and_wait_beside_it) {
  edit("/etc/one", "1");
  const auto writer = open(0, O_RDWR);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(error_of([&] { edit("/etc/two", "2"); }), EBUSY);
}

// SEMANTICS: "They stay pending, and `waiting_for` names the processes"
TEST_F(VmEdits, that_are_saved_under_a_reader_wait_for_it) {
  const auto reader = open(0, O_RDONLY);
  EXPECT_EQ(read(*reader), '\0');
  edit("/etc/one", "1");
  EXPECT_EQ(mark_of(1), '\0') << "nobody waits for work that a holder keeps from starting";
  EXPECT_EQ(vm_->status().waiting_for.size(), 1u);
  EXPECT_EQ(error_of([&] { control("apply"); }), EBUSY);
  EXPECT_EQ(runs_, 0);
}

// SEMANTICS: "opening disk.qcow2 for writing and reading its content are EIO. Mend"
TEST_F(VmEdits, survive_the_end_of_the_daemon_and_of_a_run) {
  edit("/etc/one", "1");
  mount();
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/one"});
  in_run_ = [](const auto&) { throw Error(ETIMEDOUT, "the appliance hangs"); };
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_code(), "edits-failed");
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), EIO);
  in_run_ = nullptr;
  control("apply");
  EXPECT_EQ(mark_of(0), '2') << "and nothing of the first run";
  EXPECT_EQ(in_guest("/etc/one"), "1");
}

// SEMANTICS: "or write `discard-edits`, which drops all that wait"
TEST_F(VmEdits, that_cannot_be_applied_are_named_and_thrown_away) {
  edit("/etc/one", "1");
  std::filesystem::remove_all(guest_folder() + "/etc");
  std::filesystem::create_directories(guest_folder() + "/etc");
  std::ofstream(guest_folder() + "/etc/fstab") << "";
  std::filesystem::create_directories(guest_folder() + "/etc/one/in/the/way");
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_NE(vm_->status().failure->what.find("/etc/one"), std::string::npos)
      << vm_->status().failure->what;
  EXPECT_EQ(error_of([&] { control("apply"); }), EIO);
  control("discard-edits");
  EXPECT_EQ(mark_of(0), '\0') << "nothing of either run";
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
}

// SEMANTICS: "edits need a guest that was shut down"
// SEMANTICS: "`echo force > ctl` says that it is off"
TEST_F(VmEdits, wait_after_a_vm_that_was_not_shut_down) {
  run_vm();
  shut_down_ = false;
  EXPECT_EQ(error_of([&] { edit("/etc/one", "1"); }), EBUSY);
  EXPECT_EQ(looks_, 1);
  control("force");
  edit("/etc/one", "1");
  EXPECT_EQ(mark_of(0), '1');
  run_vm();
  shut_down_ = true;
  edit("/etc/two", "2");
  EXPECT_EQ(mark_of(1), '2');
}

TEST_F(VmEdits, that_waited_while_a_vm_ran_are_not_put_into_a_guest_that_was_left_running) {
  edit("/etc/one", "1");
  auto reader = open(1, O_RDONLY);
  EXPECT_EQ(read(*reader), '1');
  edit("/etc/two", "2");
  run_vm();
  shut_down_ = false;
  reader.reset();
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(runs_, 2) << "it was looked at";
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/two"});
  EXPECT_EQ(error_code(), "not-shut-down");
  EXPECT_EQ(error_of([&] { control("apply"); }), EBUSY);
  control("force");
  control("apply");
  EXPECT_EQ(mark_of(0), '3');
}

TEST_F(VmEdits, that_are_only_half_in_the_disks_are_nobodys_content) {
  edit("/etc/one", "1");
  io_.refuses = true;
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_code(), "disk-unusable");
  EXPECT_EQ(error_of([&] { control("apply"); }), EIO);
  EXPECT_EQ(error_of([&] { control("discard-edits"); }), EIO);
  EXPECT_EQ(error_of([&] { edit("/etc/two", "2"); }), EIO);
  mount();
  EXPECT_EQ(error_of([&] { mark_of(1); }), EIO);
  io_.refuses = false;
  control("apply");
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(mark_of(1), '1');
  EXPECT_EQ(runs_, 1) << "it was brought in, not made again";
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
  EXPECT_EQ(error_code(), "");
}

TEST_F(VmEdits, a_swap_file_that_came_and_went_starts_no_appliance) {
  edit("/etc/.fstab.swp", "swap");
  wait_for([&] {
    vm_->guest_files().edit([](GuestView& view) { view.remove_file("/etc/.fstab.swp"); });
  });
  EXPECT_EQ(mark_of(0), '\0');
  EXPECT_EQ(runs_, 0);
}

// SEMANTICS: "`freeze` (EBUSY while edits wait)"
TEST_F(VmEdits, end_with_a_reset_and_wait_for_no_frozen_disk) {
  edit("/etc/one", "1");
  EXPECT_EQ(error_of([&] { control("freeze"); }), EBUSY);
  control("reset");
  EXPECT_EQ(mark_of(0), '\0');
  control("freeze");
  EXPECT_EQ(error_of([&] { edit("/etc/one", "1"); }), EROFS);
}

TEST_F(VmEdits, a_run_that_changes_the_cold_zone_is_not_kept) {
  edit("/etc/one", "1");
  spoils_cold_zone_ = true;
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/one"});
}

// kill -9 at random moments: a child saves numbers and has them applied, and says on a pipe what
// was acknowledged; then its state is looked at.

struct Acknowledged {
  int saved = 0, applied = 0;
};

Acknowledged read_acknowledged(int fd) {
  Acknowledged seen;
  for (int word = 0; ::read(fd, &word, sizeof word) == sizeof word;) {
    (word > 0 ? seen.saved : seen.applied) = std::abs(word);
  }
  return seen;
}

class VmEditsKilled : public VmEdits {
 protected:
  VmEditsKilled() { std::ofstream(guest_folder() + "/etc/number") << "0"; }
  [[noreturn]] void live(int fd, int number) {
    const auto say = [&](int word) { (void)!::write(fd, &word, sizeof word); };
    mount();
    say(0);
    for (;; ++number) {
      edit("/etc/number", std::to_string(number));
      say(number);
      mark_of(static_cast<std::size_t>(number % 2));
      say(-number);
    }
  }
  /// Kills a child that begins at `number`, so many microseconds after it has mounted.
  Acknowledged live_and_die(int number, useconds_t microseconds) {
    end();  // no thread of ours is forked
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe");
    const pid_t child = ::fork();
    if (child == 0) live(ends[1], number);
    ::close(ends[1]);
    int mounted = -1;
    EXPECT_EQ(::read(ends[0], &mounted, sizeof mounted), ssize_t{sizeof mounted});
    ::usleep(microseconds);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Acknowledged seen = read_acknowledged(ends[0]);
    ::close(ends[0]);
    return seen;
  }
  int pending_number() {
    const auto edit = vm_->guest_files().journal().find("/etc/number");
    return edit && edit->content ? std::stoi(vm_->guest_files().journal().content(*edit)) : 0;
  }
};

// SEMANTICS: "or none does, also if the daemon dies or the power is cut meanwhile"
TEST_F(VmEditsKilled, at_any_moment_lose_nothing_and_are_in_both_disks_or_in_none) {
  constexpr int kKills = 50;
  const auto start = std::chrono::steady_clock::now();
  mount();
  edit("/etc/number", "1");
  mark_of(0);
  const auto once = std::chrono::steady_clock::now() - start;
  const auto longest = std::chrono::duration_cast<std::chrono::microseconds>(once).count() * 2;
  int number = 2, applied = 0, in_the_middle = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const auto life = static_cast<useconds_t>(2000 + longest * (kill * 17 % kKills) / kKills);
    const Acknowledged seen = live_and_die(number, life);
    mount();
    ASSERT_EQ(number_in(0), number_in(1)) << "kill " << kill;
    const int there = std::atoi(number_in(0).c_str());
    const int pending = pending_number();
    ASSERT_GE(there, std::max(applied, seen.applied)) << "kill " << kill;
    ASSERT_GE(std::max(there, pending), seen.saved) << "kill " << kill;
    ASSERT_LE(std::max(there, pending), std::max(seen.saved, number - 1) + 1) << "kill " << kill;
    in_the_middle += pending > 0;
    applied = there;
    number = std::max(there, pending) + 1;
  }
  std::printf("[  KILLS   ] %d, %d numbers, %d with an edit that waited\n", kKills, number,
              in_the_middle);
  EXPECT_GT(number, kKills / 5);
}

}  // namespace
}  // namespace v2vfs::fs
