// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_notes.h"

#include "inspect/base/text.h"

namespace v2vfs::inspect::ovf {

void add_note(std::vector<std::string>& list, std::string sentence) {
  if (list.size() > kMostNotes) return;
  if (list.size() == kMostNotes) sentence = "There is more of this kind, which is not listed.";
  list.push_back(std::move(sentence));
}

void add_problem(std::vector<Problem>& list, Problem problem) {
  if (list.size() < kMostNotes || problem.severity == Severity::error) {
    list.push_back(std::move(problem));
  }
}

std::string quoted(std::string_view text) { return "\"" + clean_text(text, 128) + "\""; }

}  // namespace v2vfs::inspect::ovf
