// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "convert/guest/nic_names.h"
#include "convert/guest/plan_draft.h"

namespace v2vfs::convert {

/// One card of the machine.
struct Card {
  std::size_t number = 0;  // in the source, from 0
  std::string mac;         // empty: not known
  std::optional<VmwarePlace> place;
  std::string name;      // what the guest called it; empty: not known
  bool bound = false;    // a rule of the guest's own says so
  bool assumed = false;  // by its order alone
  std::string why;       // how that is known
};

/// Whether udev names cards by their places in this guest.
bool names_by_place(const PlanDraft& draft);

/// What the guest called the machine's cards, in the source's order: by its rules and files that
/// say an address, by the slots of the source, else by order. Names that no card is left for are
/// notes of the draft.
std::vector<Card> name_cards(PlanDraft& draft);

}  // namespace v2vfs::convert
