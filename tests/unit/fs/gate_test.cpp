// SPDX-License-Identifier: MIT
#include "fs/gate.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

constexpr Shape kShape{1 << 20, 0};

int error_of(auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.error_number();
  }
  return 0;
}

class GateTest : public ::testing::Test {
 protected:
  GateTest() { gate_.attach(folder_.path()); }
  std::shared_ptr<Gate::Look> begin_look() {
    std::optional<Error> refusal;
    auto look = gate_.begin_look(refusal);
    refused_with_ = refusal ? refusal->error_number() : 0;
    return look;
  }
  std::uint64_t changes_after_remount() {
    Gate again("vm");
    again.attach(folder_.path());
    return again.changes();
  }

  TemporaryFolder folder_;
  Gate gate_{"vm"};
  int refused_with_ = 0;
};

TEST_F(GateTest, a_writer_ends_the_look_and_keeps_the_next_one_away) {
  auto look = begin_look();
  EXPECT_FALSE(look->stop().stop_requested());
  {
    const auto writer = gate_.open_writer(7, kShape);
    EXPECT_TRUE(look->stop().stop_requested());
    look.reset();
    EXPECT_EQ(begin_look(), nullptr);
    EXPECT_EQ(refused_with_, EBUSY);
  }
  EXPECT_NE(begin_look(), nullptr);
}

TEST_F(GateTest, the_second_look_waits_for_the_first) {
  auto look = begin_look();
  std::shared_ptr<Event> event;
  try {
    begin_look();
  } catch (const NotYet& not_yet) {
    event = not_yet.event;
  }
  ASSERT_NE(event, nullptr);
  EXPECT_FALSE(event->ended());
  look.reset();
  EXPECT_TRUE(event->ended());
  EXPECT_NE(begin_look(), nullptr);
}

// SEMANTICS: "A handle whose file changed its size"
TEST_F(GateTest, a_reader_whose_disk_changed_since_it_was_opened_is_stale) {
  const auto grown = gate_.open_reader(7, kShape);
  EXPECT_EQ(error_of([&] { gate_.first_access(grown, {kShape.bytes + 1, 0}); }), ESTALE);
  const auto rewritten = gate_.open_reader(7, kShape);
  EXPECT_EQ(error_of([&] { gate_.first_access(rewritten, {kShape.bytes, 2}); }), ESTALE);
  const auto reader = gate_.open_reader(7, kShape);
  gate_.first_access(reader, kShape);
  gate_.first_access(reader, {kShape.bytes + 1, 9});  // it knows what it reads
}

TEST_F(GateTest, writers_write_the_cold_zone_of_each_other) {
  const auto one = gate_.open_writer(7, kShape);
  const auto other = gate_.open_writer(8, kShape);
  gate_.first_access(one, {kShape.bytes, 2});
  EXPECT_EQ(error_of([&] { gate_.first_access(other, {kShape.bytes + 1, 2}); }), ESTALE);
}

TEST_F(GateTest, a_write_counts_durably_once_for_each_look) {
  EXPECT_EQ(gate_.changes(), 0u);
  {
    const auto writer = gate_.open_writer(7, kShape);
    gate_.wrote(writer);
    gate_.wrote(writer);
  }
  EXPECT_EQ(gate_.changes(), 1u);
  EXPECT_EQ(changes_after_remount(), 1u);
  EXPECT_EQ(begin_look()->changes(), 1u);
  gate_.wrote_without_handle();
  EXPECT_EQ(changes_after_remount(), 2u);
}

TEST_F(GateTest, opening_for_writing_alone_changes_nothing) {
  { const auto writer = gate_.open_writer(7, kShape); }
  EXPECT_EQ(gate_.changes(), 0u);
}

TEST_F(GateTest, a_damaged_count_is_none_that_was_ever_seen) {
  for (const char* text : {"4x\n", "", "-1\n", "99999999999999999999\n"}) {
    std::ofstream(folder_.path() + "/changes") << text;
    EXPECT_GT(changes_after_remount(), 1'000'000'000'000u) << text;
  }
}

TEST_F(GateTest, given_up_it_ends_the_look_for_good) {
  const auto look = begin_look();
  gate_.stop();
  EXPECT_TRUE(look->stop().stop_requested());
  EXPECT_EQ(error_of([&] { begin_look(); }), ENOTCONN);
}

}  // namespace
}  // namespace v2vfs::fs
