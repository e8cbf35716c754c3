// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "fs/edit_journal.h"
#include "tests/unit/overlay/crash_io.h"

// The power is cut, or the process dies, before, in the middle of and after every step of a script
// of saves; then the journal must hold what was saved before the step that was under way, or that
// as well: whole, with its content. Opening it again after a crash in the opening gives the same.

namespace v2vfs::fs {
namespace {

constexpr const char* kFolder = "/state";

/// Path -> content, "-" where nothing is wanted.
using Model = std::map<std::string, std::string>;

struct Step {
  std::vector<std::pair<std::string, std::string>> writes;  // "-": remove
  std::string from, to;                                     // a rename, if not empty
  int run = 0;                                              // 1 take, 2 applied, 3 release
};

/// /etc/old is in the guest, nothing else.
const std::vector<Step>& script() {
  static const std::vector<Step> steps = {
      {{{"/etc/a", std::string(700, 'a')}}, "", "", 0},
      {{{"/etc/a", std::string(1500, 'b')}, {"/etc/c", "c"}}, "", "", 0},
      {{{"/etc/.swp", "swap"}}, "", "", 0},
      {{{"/etc/.swp", "-"}}, "", "", 0},
      {{}, "/etc/c", "/etc/old", 0},
      {{{"/etc/old", "-"}}, "", "", 0},
      {{}, "", "", 1},
      {{{"/etc/a", "again"}}, "", "", 0},
      {{}, "", "", 2},
      {{{"/etc/a", ""}, {"/etc/d", "d"}}, "", "", 0},
      {{}, "", "", 1},
      {{}, "", "", 3},
      {{{"/etc/d", std::string(2000, 'd')}}, "", "", 0},
  };
  return steps;
}

EditJournal::Change to_change(const std::string& path, const std::string& content) {
  EditJournal::Change change;
  change.entry.path = path;
  change.entry.replaced.there = path == "/etc/old";
  if (content == "-") return change;
  change.entry.wanted.kind = convert::EditKind::file;
  change.entry.wanted.has_content = true;
  change.content = content;
  return change;
}

void carry_out(EditJournal& journal, const Step& step) {
  std::vector<EditJournal::Change> changes;
  for (const auto& [path, content] : step.writes) changes.push_back(to_change(path, content));
  if (!step.from.empty()) {
    EditJournal::Change moved{*journal.find(step.from), std::nullopt};
    moved.entry.path = step.to;
    moved.entry.replaced.there = step.to == "/etc/old";
    changes = {moved, to_change(step.from, "-")};
  }
  if (!changes.empty()) journal.save(changes);
  if (step.run == 1) journal.take(1);
  if (step.run == 2) journal.applied_by(1);
  if (step.run == 3) journal.release(1);
}

/// Throws what content() throws: an edit that is named and cannot be read is a violation.
Model read(const EditJournal& journal) {
  if (const auto damage = journal.damage()) throw *damage;
  Model model;
  for (const JournalEntry& entry : journal.all()) {
    model[entry.path] =
        (entry.run ? "taken " : "") + (entry.content ? journal.content(entry) : std::string("-"));
  }
  return model;
}

/// Models after each step, the first before all.
std::vector<Model> models() {
  CrashIo io(1);
  EditJournal journal(kFolder, io);
  std::vector<Model> all = {{}};
  for (const Step& step : script()) {
    carry_out(journal, step);
    all.push_back(read(journal));
  }
  return all;
}

/// Runs the script until the crash; returns how many steps were acknowledged.
std::size_t run_until_crash(CrashIo& io) {
  std::size_t done = 0;
  try {
    EditJournal journal(kFolder, io);
    for (const Step& step : script()) {
      carry_out(journal, step);
      ++done;
    }
  } catch (const Crash&) {
  }
  return done;
}

struct Search {
  std::vector<Model> expected = models();
  std::uint64_t states = 0;

  void check(CrashIo& io, std::size_t done, const std::string& where) {
    ++states;
    Model found;
    try {
      found = read(EditJournal(kFolder, io));
    } catch (const Error& error) {
      FAIL() << where << ": " << error.sentence();
    }
    const bool old_one = found == expected[done];
    const bool new_one = done + 1 < expected.size() && found == expected[done + 1];
    ASSERT_TRUE(old_one || new_one) << where << ": neither before nor after step " << done;
  }
};

std::uint64_t steps_of_script() {
  CrashIo io(1);
  run_until_crash(io);
  return io.steps();
}

// SEMANTICS: "An edit is durable when close(2) returns"
TEST(JournalCrash, every_step_cut_by_power_or_death) {
  Search search;
  const std::uint64_t steps = steps_of_script();
  for (std::uint64_t step = 0; step < steps; ++step) {
    for (const CutPoint point : {CutPoint::before, CutPoint::torn, CutPoint::after}) {
      for (std::uint64_t seed = 0; seed < 24; ++seed) {
        CrashIo io(seed);
        io.crash_at(step, point);
        const std::size_t done = run_until_crash(io);
        io.no_faults();
        seed % 4 == 0 ? io.process_death() : io.power_cut();
        search.check(io, done, "step " + std::to_string(step) + " seed " + std::to_string(seed));
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
  std::printf("[  STATES  ] %llu\n", static_cast<unsigned long long>(search.states));
  EXPECT_GE(search.states, 5000u);
}

TEST(JournalCrash, opening_is_cut_too_and_work_goes_on) {
  Search search;
  const std::uint64_t steps = steps_of_script();
  for (std::uint64_t step = 0; step < steps; step += 2) {
    for (std::uint64_t again = 0; again < 6; ++again) {
      CrashIo io(step * 31 + again);
      io.crash_at(step, CutPoint::after);
      const std::size_t done = run_until_crash(io);
      io.no_faults();
      io.power_cut();
      io.crash_at(io.steps() + again, CutPoint::torn);
      try {
        EditJournal(kFolder, io).damage();
      } catch (const Crash&) {
      }
      io.no_faults();
      io.power_cut();
      search.check(io, done, "step " + std::to_string(step) + " again " + std::to_string(again));
      if (::testing::Test::HasFatalFailure()) return;
      EditJournal journal(kFolder, io);
      journal.save({to_change("/etc/later", std::string(3000, 'l'))});
      io.power_cut();
      const Model found = read(EditJournal(kFolder, io));
      ASSERT_EQ(found.at("/etc/later"), std::string(3000, 'l'));
    }
  }
}

/// A failed call is an error or nothing at all; what was acknowledged before stays, also after the
/// power is cut, and what is said to be saved afterwards is.
TEST(JournalCrash, every_call_fails_once) {
  std::uint64_t calls = 0;
  {
    CrashIo io(1);
    run_until_crash(io);
    calls = io.calls();
  }
  std::uint64_t states = 0;
  for (std::uint64_t call = 0; call < calls; ++call) {
    for (const int error : {EIO, ENOSPC}) {
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        CrashIo io(seed);
        io.fail_at(call, error);
        Model said;
        {
          EditJournal journal(kFolder, io);
          if (journal.damage()) continue;
          for (const char* path : {"/etc/a", "/etc/b", "/etc/a", "/etc/c"}) {
            const std::string content = path + std::to_string(call);
            try {
              journal.save({to_change(path, content)});
              said[path] = content;
            } catch (const Error&) {
            }
          }
        }
        io.no_faults();
        io.power_cut();
        EditJournal journal(kFolder, io);
        ASSERT_FALSE(journal.damage()) << "call " << call;
        const Model found = read(journal);
        for (const auto& [path, content] : said) {
          ASSERT_EQ(found.at(path), content) << "call " << call << " " << error;
        }
        ++states;
      }
    }
  }
  EXPECT_GE(states, 100u);
}

TEST(JournalCrash, a_flipped_bit_is_never_content) {
  CrashIo io(1);
  EditJournal(kFolder, io).save({to_change("/etc/a", "12345")});
  const CrashIo::Names good = io.save();
  for (const char* name : {"/index", "/content-0"}) {
    for (std::uint64_t bit = 0; bit < io.file_bytes(std::string(kFolder) + name) * 8; ++bit) {
      io.flip_bit(std::string(kFolder) + name, bit);
      EXPECT_THROW(read(EditJournal(kFolder, io)), Error) << name << " bit " << bit;
      io.restore(good);
    }
  }
}

}  // namespace
}  // namespace v2vfs::fs
