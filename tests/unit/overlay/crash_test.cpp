// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/unit/overlay/crash_search.h"

namespace v2vfs::fs {
namespace {

void expect_nothing_found(Search search, std::uint64_t least_states) {
  const Finding found = search(StoreRules{}, kAllSeeds);
  std::printf("[  STATES  ] %llu\n", static_cast<unsigned long long>(found.states));
  EXPECT_EQ(found.violation, "");
  EXPECT_GE(found.states, least_states);
}

// SEMANTICS: "after fsync (or with O_SYNC or O_DSYNC) it survives a power cut"
TEST(Crash, power_cut_and_process_death_at_every_step) { expect_nothing_found(search_cuts, 5000); }
TEST(Crash, recovery_dies_at_every_step_twice) { expect_nothing_found(search_recovery, 5000); }
TEST(Crash, a_long_barrier_is_torn) { expect_nothing_found(search_torn_batches, 1000); }
// SEMANTICS: "the disk answers EIO to writes and fsync until the machine is started again"
TEST(Crash, every_call_fails_once) { expect_nothing_found(search_faults, 1000); }
TEST(Crash, the_disk_is_full) { expect_nothing_found(search_full_disk, 500); }
TEST(Crash, every_bit_is_flipped) { expect_nothing_found(search_flipped_bits, 5000); }

}  // namespace
}  // namespace v2vfs::fs
