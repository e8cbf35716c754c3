// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <iterator>
#include <string>

#include "tests/unit/overlay/crash_search.h"

// The alarm works: each rule is taken out by name, and the crash tests must notice.
namespace v2vfs::fs {
namespace {

struct Rule {
  const char* name;
  bool StoreRules::*on;
  Search search;  // that must notice
};

#define RULE(name, search) \
  { #name, &StoreRules::name, search }
const Rule kRules[] = {
    RULE(bit_after_data, search_cuts),
    RULE(size_after_data, search_cuts),
    RULE(whole_first_write, search_cuts),
    RULE(cut_off_failed_write, search_faults),
    RULE(trust_live_of_this_boot, search_cuts),
    RULE(distrust_live_of_other_boot, search_cuts),
    RULE(live_named_when_complete, search_recovery),
    RULE(sync_data, search_cuts),
    RULE(sync_data_before_journal, search_cuts),
    RULE(collect_before_sync, search_cuts),
    RULE(size_record_last, search_cuts),
    RULE(sync_journal, search_cuts),
    RULE(sync_map_pages, search_cuts),
    RULE(map_pages_before_header, search_cuts),
    RULE(sync_map_header, search_cuts),
    RULE(alternate_slots, search_cuts),
    RULE(first_write_renews_slot, search_cuts),
    RULE(checkpoint_at_open, search_torn_batches),
    RULE(sync_slot_at_open, search_recovery),
    RULE(sync_data_at_open, search_cuts),
    RULE(check_journal_checkpoint, search_cuts),
    RULE(check_journal_crc, search_flipped_bits),
    RULE(mirror_journal, search_flipped_bits),
    RULE(check_map_header_crc, search_flipped_bits),
    RULE(mirror_map_header, search_flipped_bits),
    RULE(check_map_page_crc, search_flipped_bits),
    RULE(check_head_crc, search_flipped_bits),
    RULE(hole_in_map, search_cuts),
    RULE(low_water_mark, search_cuts),
    RULE(cut_off_at_shrink, search_cuts),
    RULE(cut_off_at_open, search_cuts),
    RULE(poison_on_failure, search_faults),
    RULE(poison_in_live, search_faults),
    RULE(preallocate, search_full_disk),
    RULE(sync_new_map, search_cuts),
    RULE(sync_folder_before_head, search_cuts),
    RULE(sync_head_before_name, search_cuts),
    RULE(sync_folder_at_open, search_cuts),
    RULE(unmake_failed_store, search_faults),
};
#undef RULE
static_assert(std::size(kRules) == sizeof(StoreRules), "a rule is missing from the list");

class Teeth : public testing::TestWithParam<Rule> {};

TEST_P(Teeth, the_rule_is_missed) {
  const Rule& rule = GetParam();
  StoreRules rules;
  rules.*rule.on = false;
  const Finding found = rule.search(rules, kAllSeeds);
  EXPECT_NE(found.violation, "") << "it can be taken out and nobody notices";
  std::printf("[  TEETH   ] %-28s -> caught after %6llu states (%s)\n", rule.name,
              static_cast<unsigned long long>(found.states), found.violation.c_str());
}

INSTANTIATE_TEST_SUITE_P(Each, Teeth, testing::ValuesIn(kRules),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace v2vfs::fs
