// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/model.h"

namespace v2vfs::inspect::ovf {

constexpr std::size_t kMostNotes = 200;

/// Adds a sentence; a list that a hostile descriptor would fill ends with one that says so.
void add_note(std::vector<std::string>& list, std::string sentence);
void add_problem(std::vector<Problem>& list, Problem problem);

/// Text of a descriptor as it stands in a sentence: cleaned and in quotes.
std::string quoted(std::string_view text);

}  // namespace v2vfs::inspect::ovf
