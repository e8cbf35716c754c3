// SPDX-License-Identifier: MIT
#include "tests/unit/fs/admission_model.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <iterator>

namespace v2vfs::fs {
namespace {

TEST(AdmissionModel, nobody_waits_in_vain_and_nothing_is_lost) {
  const AdmissionFinding found = search_admission({});
  EXPECT_EQ(found.violation, "") << "after: " << found.steps;
  std::printf("[  MODEL   ] %llu states\n", static_cast<unsigned long long>(found.states));
}

struct Rule {
  const char* name;
  bool AdmissionRules::*on;
};

#define RULE(name) \
  { #name, &AdmissionRules::name }
const Rule kRules[] = {
    RULE(wait_only_for_what_can_start), RULE(no_edits_beside_a_writer),
    RULE(wait_for_running_work),        RULE(no_work_under_readers),
    RULE(reader_keeps_nothing_out),     RULE(end_reader_for_writer),
    RULE(end_reader_at_promotion),      RULE(stale_if_reshaped),
    RULE(take_edits_at_start),          RULE(need_clean_guest),
    RULE(look_again_after_writer),      RULE(refuse_after_failure),
};
#undef RULE
static_assert(std::size(kRules) == sizeof(AdmissionRules), "a rule is missing from the list");

class AdmissionTeeth : public testing::TestWithParam<Rule> {};

TEST_P(AdmissionTeeth, the_rule_is_missed) {
  AdmissionRules rules;
  rules.*GetParam().on = false;
  const AdmissionFinding found = search_admission(rules);
  EXPECT_NE(found.violation, "") << "it can be taken out and nobody notices";
  std::printf("[  TEETH   ] %-28s -> after %6llu states: %s (%s)\n", GetParam().name,
              static_cast<unsigned long long>(found.states), found.violation.c_str(),
              found.steps.c_str());
}

INSTANTIATE_TEST_SUITE_P(Each, AdmissionTeeth, testing::ValuesIn(kRules),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace v2vfs::fs
